"""Which line of a TOML text says what."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.tomllines import Statement, parts, statements, value_end

TEXT = """\
# about
top = 1 # one
#off = "x"
[ a . "b.c" ]  # here
  d.e = '''
[x]
y = 1'''
# f is not set
#[a.g]
#h = [1]
[[i]]
j = [
  1, # ]
]
"""


def test_every_statement_has_its_path_and_its_lines() -> None:
    assert [(one.kind, one.path, one.first, one.last) for one in statements(TEXT)] == [
        ("pair", ("top",), 1, 2),
        ("off", ("off",), 2, 3),
        ("table", ("a", "b.c"), 3, 4),
        ("pair", ("a", "b.c", "d", "e"), 4, 7),
        ("off", ("a", "b.c", "f"), 7, 8),
        ("off table", ("a", "g"), 8, 9),
        ("off", ("a", "g", "h"), 9, 10),
        ("listed", ("i",), 10, 11),
        ("pair", ("i", "j"), 11, 14),
    ]
    assert [TEXT[slice(*one.value)] for one in statements(TEXT) if one.kind == "pair"] == [
        "1",
        "'''\n[x]\ny = 1'''",
        "[\n  1, # ]\n]",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "1",
        '"a # b"',
        "'a # b'",
        '"""a"b""""',
        '""""a"""""',
        '"""\n"""',
        "'''a'''",
        '"a\\"b"',
        "[1, [2, {a = 3}]]",
        "{ a = '}' }",
        "2026-01-01 10:00:00",
    ],
)
def test_a_value_ends_where_it_ends(value: str) -> None:
    assert tomllib.loads(f"a = {value}")
    assert value_end(f"a = {value} # no", 4) == 4 + len(value)
    assert value_end(f"a = {value}\nb = 1", 4) == 4 + len(value)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_the_parts_of_any_key_are_found(path: list[str]) -> None:
    from carapax.configdoc import toml_key  # noqa: PLC0415 - it stands above what is tested here

    assert parts(".".join(map(toml_key, path))) == tuple(path)


def test_a_statement_can_be_made_without_a_value() -> None:
    assert Statement("table", ("a",), 0, 1).value == (0, 0)
    assert parts("= no key") == ()
