"""A line of the log cannot be forged, and holds no secrets."""

import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.logs.line import LONGEST, Line, as_json, as_text, level_of, safe
from carapax.redaction import MASK, Secret
from carapax.redactor import Redactor

VALUE = "value-of-a-secret-1"
redact = Redactor([Secret(VALUE)])


def test_a_line_is_written_for_people_and_for_programs() -> None:
    line = Line(1_700_000_000.25, "warning", "carapax.app", "it is late", session="s1", fields={"after_s": "5"})
    assert as_text(line) == "2023-11-14T22:13:20.250Z WARNING carapax.app: it is late session=s1 after_s=5\n"
    assert as_json(line) == (
        b'{"at":1700000000.25,"level":"warning","logger":"carapax.app","text":"it is late",'
        b'"session":"s1","fields":{"after_s":"5"}}\n'
    )
    assert msgspec.json.decode(as_json(line), type=Line) == line


def test_a_traceback_stands_on_marked_lines() -> None:
    line = Line(0, "error", "x", "failed", "Traceback:\n2023 ERROR forged: line\nValueError: no")
    assert as_text(line).splitlines() == [
        "1970-01-01T00:00:00.000Z ERROR x: failed",
        "  | Traceback:",
        "  | 2023 ERROR forged: line",
        "  | ValueError: no",
    ]


def test_secrets_are_taken_out_of_every_field() -> None:
    every = dict.fromkeys(("logger", "text", "error", "session", "run", "agent", "request"), VALUE)
    line = safe(Line(1.0, "info", **every, fields={VALUE: VALUE}), redact)
    assert line == Line(1.0, "info", **dict.fromkeys(every, MASK), fields={MASK: MASK})


def test_controls_and_what_nobody_sees_are_written_out() -> None:
    line = safe(Line(1.0, "info", "x", "a\n2023 INFO b: c\x1b[31m\u202e\u2028\ud800", "one\ntwo\r"), redact)
    assert line.text == "a\\x0a2023 INFO b: c\\x1b[31m\\u{202e}\\u{2028}\\u{d800}"
    assert line.error == "one\ntwo\\x0d"


def test_what_is_long_is_cut_after_secrets_were_taken_out() -> None:
    line = safe(Line(1.0, "info", "x", "a" * (LONGEST - 4) + VALUE), redact)
    assert line.text == "a" * (LONGEST - 4) + "****" + " [cut]"


@given(st.text(alphabet=st.characters()), st.text())
def test_whatever_is_said_makes_one_line(text: str, name: str) -> None:
    line = safe(Line(1.0, "info", "x", text, fields={name: text}), redact)
    assert as_text(line).splitlines()[0] + "\n" == as_text(line)
    assert as_json(line).count(b"\n") == 1


@pytest.mark.parametrize(
    ("number", "level"),
    [(logging.CRITICAL, "error"), (logging.ERROR, "error"), (35, "warning"), (logging.INFO, "info"), (1, "debug")],
)
def test_levels_are_those_of_the_configuration(number: int, level: str) -> None:
    assert level_of(number) == level
