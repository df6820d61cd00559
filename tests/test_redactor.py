"""Secrets taken out of text, in whatever disguise."""

import base64
import gzip
import random
import re
import sys
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.invisible import hidden, strip
from carapax.redaction import MASK, Secret
from carapax.redactor import Redactor, Stream, can_be_told
from tests.disguises import DISGUISES

VALUES = (
    "sk_7hQ2mZx9-Tn4_vB8",
    "correct horse battery",
    'p"a\\s/s+w%o&r<d>1',
    "s€cr€t-ключ-9",
    "12345-78",
    "eyJ.a.b.c.d=" * 20,
    "-----BEGIN X KEY-----\nMIIB1234\nabcd5678\n-----END X KEY-----\n",
)
REDACTORS = {value: Redactor([Secret(value)]) for value in VALUES}
NOISE = "Some honest text before, with numbers 4711 and words.\n"


def lonely(text: str) -> str:
    """What is left of the noise around it."""
    return text.removeprefix(NOISE).removesuffix(NOISE)


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("value", VALUES)
def test_a_secret_is_taken_out_in_any_disguise(value: str, disguise: str) -> None:
    if disguise in ("UTF-16", "upper case") and not value.isascii():
        pytest.skip("it is not text any more, or not the same one")
    told = REDACTORS[value](f"{NOISE}{DISGUISES[disguise](value)}\n{NOISE}")
    assert (told.startswith(NOISE), told.endswith(NOISE), told.count(MASK)) == (True, True, 1)
    assert not any(shown.search(told) for shown in traces(value)), told


def traces(value: str) -> list[re.Pattern[str]]:
    """Any third of a secret."""
    third = max(4, len(value) // 3)
    return [re.compile(re.escape(value[at : at + third])) for at in range(0, len(value) - third, third)]


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("sizes", [[1], [2, 3], [7], [1000]])
def test_a_secret_is_taken_out_of_a_stream_however_it_is_cut(disguise: str, sizes: list[int]) -> None:
    value = VALUES[0]
    shown: list[str] = []
    stream = REDACTORS[value].stream(shown.append)
    text = f"{NOISE}{DISGUISES[disguise](value)}\n{NOISE}"
    at = 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        stream.feed(text[at : at + size])
        at += size
    stream.end()
    assert "".join(shown) == REDACTORS[value](text)


def test_lines_of_a_stream_are_shown_when_they_are_whole() -> None:
    shown: list[str] = []
    stream = REDACTORS[VALUES[0]].stream(shown.append)
    for piece in ("one\ntw", "o\n", "10 %\r", "x" * 5000, " and so on!\n"):
        stream.feed(piece)
    assert shown == ["one\n", "two\n", "10 %\r", "x" * 5000, " and so on!\n"]


def test_the_rest_of_a_stream_comes_at_its_end() -> None:
    shown: list[str] = []
    stream = REDACTORS[VALUES[0]].stream(shown.append)
    stream.feed("no line end, and the beginning of it: " + VALUES[0][:9])
    assert shown == []
    stream.end()
    stream.end()
    assert shown == ["no line end, and the beginning of it: " + VALUES[0][:9]]


@settings(max_examples=100)
@given(st.text(max_size=300), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_a_stream_says_the_same_as_the_whole_text(text: str, sizes: list[int]) -> None:
    shown: list[str] = []
    stream = REDACTORS[VALUES[1]].stream(shown.append)
    at = 0
    for size in sizes * (len(text) + 1):
        stream.feed(text[at : at + size])
        at += size
        if at >= len(text):
            break
    stream.end()
    assert "".join(shown) == text == REDACTORS[VALUES[1]](text)


@settings(max_examples=100)
@given(
    st.text(), st.sampled_from(VALUES), st.sampled_from(sorted(DISGUISES.keys() - {"UTF-16", "upper case"})), st.text()
)
def test_whatever_stands_around_a_secret_it_is_found(before: str, value: str, disguise: str, after: str) -> None:
    hidden = DISGUISES[disguise](value)
    assert hidden not in REDACTORS[value](f"{before} {hidden} {after}")


def test_honest_text_stays_as_it_is() -> None:
    text = "An honest text: 100 % of it, with \\u0041, &amp; and %41; a=b;c=d.\n\tAAAA " * 100
    assert Redactor(map(Secret, VALUES))(text) == text
    assert Redactor()(text) == text


@pytest.mark.parametrize("value", ["", "short-1", "localhost", "Production", "DEVELOPMENT", "20261121", " " * 20])
def test_a_secret_that_cannot_be_told_from_honest_text_is_not_looked_for(value: str) -> None:
    text = f"{value} {value.encode().hex()} {value}"
    assert (can_be_told(Secret(value)), Redactor([Secret(value)])(text)) == (False, text)


@pytest.mark.parametrize("value", ["short-12", "correcthorsebattery", "4711081542230123", "passWord"])
def test_a_secret_that_can_be_told_is_taken_out(value: str) -> None:
    assert Redactor([Secret(value)])(f"it is {value}!") == f"it is {MASK}!"


def test_several_secrets_beside_each_other_are_each_taken_out() -> None:
    redactor = Redactor(map(Secret, VALUES[:2]))
    assert redactor(f"a {VALUES[0]} b {VALUES[1]}{VALUES[0]} c") == f"a {MASK} b {MASK} c"


def test_a_bomb_is_taken_out_unread() -> None:
    bomb = base64.b64encode(gzip.compress(bytes(50_000_000), 9)).decode()
    assert Redactor([Secret(VALUES[0])])(f"look: {bomb}") == f"look: {MASK}"


@pytest.mark.parametrize(
    "pump",
    [
        "H4sI",
        "eJx",
        "-----BEGIN RSA PRIVATE KEY-----",
        "%4",
        "\\u00",
        "&#1",
        "sk_7",
        "ghp_",
        "api_key=",
        "a.",
        "=",
        "0x",
        " ",
    ],
)
def test_no_text_takes_more_than_its_length(pump: str) -> None:
    """A stand-in for time: twice the text takes about twice the steps, whatever is repeated."""
    redactor = Redactor(map(Secret, VALUES))
    counted = [steps(partial(redactor, pump * size)) for size in (2_000, 4_000)]
    assert counted[1] < 2.6 * counted[0] + 2_000


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python it takes."""
    count = 0

    def trace(*_: object) -> object:
        nonlocal count
        count += 1
        return trace

    sys.settrace(trace)  # type: ignore[arg-type] # it returns itself, which has no name as a type
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def test_a_stream_that_is_held_back_takes_no_more_than_its_length() -> None:
    def fed(lines: int) -> int:
        stream = REDACTORS[VALUES[0]].stream(lambda text: None)
        return steps(partial(_fed, stream, ["-----BEGIN PRIVATE KEY-----\n", *["MIIB\n"] * lines]))

    assert fed(4000) < 3 * fed(2000)


def _fed(stream: Stream, pieces: list[str]) -> None:
    for piece in pieces:
        stream.feed(piece)
    stream.end()


def test_a_random_secret_is_not_found_where_it_is_not() -> None:
    chance = random.Random(5)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    text = "".join(chance.choices(letters + " \n", k=50_000))
    redactor = Redactor(Secret("".join(chance.choices(letters, k=12))) for _ in range(50))
    assert [MASK in line for line in redactor(text).split("\n")].count(True) == 0


def test_nothing_that_is_taken_out_of_texts_hides_a_secret() -> None:
    secret = "hunter2-Correct9Horse"
    redact = Redactor([Secret(secret)])
    assert [code for code in hidden() if secret in strip(redact(chr(code).join(secret)))] == []


@pytest.mark.parametrize("count", [1, 100])
def test_each_of_many_secrets_is_found_in_texts_of_any_length(count: int) -> None:
    secrets = [f"Zx{number:03}-kept-{number * 7919:07}" for number in range(count)]
    redact = Redactor(map(Secret, secrets))
    for secret in secrets:
        for text in (secret, f"a {secret}", f"{'honest words ' * 2000}{secret} and more"):
            assert redact(text) == text.replace(secret, MASK)
        pieces: list[str] = []
        stream = redact.stream(pieces.append)
        for letter in f"it is {secret}\nhere":
            stream.feed(letter)
        stream.end()
        assert "".join(pieces) == f"it is {MASK}\nhere"


def test_colours_of_a_terminal_hide_no_secret() -> None:
    redact = Redactor([Secret("hunter2-Correct9Horse")])
    assert redact("a \x1b[1mhunter2-\x1b[01;31m\x1b[KCorrect9\x1b[m\x1b[KHorse\x1b[0m") == f"a \x1b[1m{MASK}\x1b[0m"
    pieces: list[str] = []
    stream = redact.stream(pieces.append)
    for letter in "hunter2-\x1b[01;31m\n\x1b[KCorrect9Horse":
        stream.feed(letter)
    stream.end()
    assert "".join(pieces) == MASK
