import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.gateway.errors import MalformedJson
from carapax.gateway.strict_json import parse

DEPTH = 32

REFUSED = [
    *(b"", b" ", b"\x00", b"\xef\xbb\xbf{}", b"{}\x00", b"[] []", b"1 2", b"[1]x", b"{}}", b"]", b"}", b","),
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"True", b"nul", b"undefined", b"'a'", b"/**/1", b"# 1\n1"),
    *(
        b"01",
        b"-01",
        b"+1",
        b".5",
        b"1.",
        b"-",
        b"1e",
        b"1e+",
        b"0x10",
        b"1_000",
        b"1e400",
        b"-1e9999",
        b"--1",
        b"1.e1",
    ),
    *(b'"', b'"a', b'"\\"', b'"\\x41"', b'"\\u12"', b'"\\u123g"', b'"\n"', b'"\t"', b'"\x00"', b'"\x1f"', b'"\\a"'),
    *(b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\u0041"', b'"\\udc00\\ud800"', b'"\\uD834x"'),
    *(b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b"\xff", b'{"\xff":1}'),
    *(
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1",
        b"[",
        b"{",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b"{1:2}",
        b"{a:1}",
        b'{"a":1 "b":2}',
    ),
    *(
        b'{"a":1,"a":2}',
        b'{"a":1,"a":1}',
        b'[{"x":{"a":1,"b":2,"a":3}}]',
        b'{"a":":","b":1,"b":":"}',
        b'{"a":1,"\\u0061":2}',
    ),
    *(b"\x0c1", b"\xc2\xa01", b"\xe2\x80\xa81", b"[" * 100_000, b'{"a":' * 100_000, b"[{" * 40 + b"}]" * 40),
]

TAKEN = [
    *(b"null", b"true", b" [1 ,\r\n\t2 ] ", b"-0", b"0.0e-0", b"1E+2", b"123456789012345678901234567890", b'"\x7f"'),
    *(
        b'"\\u0000"',
        b'"\\ud834\\udd1e"',
        b'"\xf0\x9d\x84\x9e"',
        b'"\\"\\\\\\/\\b\\f\\n\\r\\t"',
        b'""',
        b"[]",
        b"{}",
        b'{"":0}',
    ),
    *(b'{"a:b":"c:d"}', b'{"a":{"a":{"a":1}}}', b'{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}'),
    *(b'"' + b"[" * 100 + b'"', b"[" * DEPTH + b"]" * DEPTH, b"[" + b"[],{}," * 500 + b"1]"),
]


@pytest.mark.parametrize("raw", REFUSED, ids=lambda raw: repr(raw[:24]))
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse(raw, DEPTH)


@pytest.mark.parametrize("raw", TAKEN, ids=lambda raw: repr(raw[:24]))
def test_json_is_taken(raw: bytes) -> None:
    assert parse(raw, DEPTH) == msgspec.json.decode(raw)


def test_one_level_too_deep_is_refused_and_says_so() -> None:
    with pytest.raises(MalformedJson, match="deeper than 32"):
        parse(b"[" * 33 + b"]" * 33, DEPTH)


def test_a_long_run_of_escapes_is_read_once() -> None:
    hostile = b"[" * 40 + b'"' + b'\\"' * 200_000
    with pytest.raises(MalformedJson):
        parse(hostile, DEPTH)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(values)
@settings(max_examples=60)
def test_every_value_is_read_back(value: object) -> None:
    assert parse(msgspec.json.encode(value), 100) == value


@given(st.binary(max_size=60))
def test_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        parse(raw, DEPTH)
