"""Reading `.env` files."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import InvalidRequest
from carapax.importers.dotenv import read
from carapax.redaction import Secret

FILE = """# keys
OPENAI_API_KEY=sk-plain-1   # of the team
export GROQ_API_KEY = 'gsk #1 $x'

  EMPTY=
QUOTED="a \\"b\\" \\n \\$c"  # said
PEM="-----BEGIN KEY-----
abc
-----END KEY-----"
HASH=a#b
OPENAI_API_KEY=sk-plain-2
LAST=x=y"""


def test_it_is_read_as_shells_and_libraries_do() -> None:
    assert {name: secret.reveal() for name, secret in read(FILE).items()} == {
        "GROQ_API_KEY": "gsk #1 $x",
        "EMPTY": "",
        "QUOTED": 'a "b" \n $c',
        "PEM": "-----BEGIN KEY-----\nabc\n-----END KEY-----",
        "HASH": "a#b",
        "OPENAI_API_KEY": "sk-plain-2",
        "LAST": "x=y",
    }
    assert read(FILE.replace("\n", "\r\n"))["HASH"] == Secret("a#b")
    assert read("") == read("# nothing\n\n") == {}


@pytest.mark.parametrize(
    "line", ["sk-secret", "1A=sk-secret", "A='sk-secret", 'A="sk-secret', "A='x' sk-secret", "=sk-secret"]
)
def test_a_line_that_cannot_be_read_is_named_and_not_shown(line: str) -> None:
    with pytest.raises(InvalidRequest, match=r"line 3 is no NAME=value") as caught:
        read(f"A=1\n# B\n{line}\n")
    assert "sk-secret" not in str(caught.value)


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), st.text(), max_size=5))
def test_whatever_is_quoted_comes_back(values: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"')

    text = "".join(f'{name}="{quoted(value)}"\n' for name, value in values.items())
    assert read(text) == {name: Secret(value) for name, value in values.items()}


@given(st.text())
def test_whatever_the_text_is_it_is_read_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        read(text)
