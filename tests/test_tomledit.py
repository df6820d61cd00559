"""A TOML text changed for a person: what is wanted is what is read, and all other lines stay."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.configdoc import as_default, explain, toml
from carapax.errors import Conflict
from carapax.tomledit import edited

HOME = explain(20_001)


def removed_and_added(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that only one of the two has, in order."""
    old, new = before.split("\n"), after.split("\n")
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return old, new


@pytest.mark.parametrize(
    ("path", "value", "gone", "come"),
    [
        (("agents", "main", "effort"), "high", ['#effort = "off"'], ['effort = "high"']),
        (("budget", "daily_usd"), 5.5, ["# daily_usd is not set"], ["daily_usd = 5.5"]),
        (("extra_tools",), ["a.b"], ["#extra_tools = []"], ['extra_tools = ["a.b"]']),
        (("agents", "main", "egress", "hosts"), ["a.b"], ['#hosts = ["*"]'], ['hosts = ["a.b"]']),
        (("gateway", "port"), 20_002, ["port = 20001"], ["port = 20002"]),
    ],
)
def test_a_key_of_a_new_home_is_set_where_its_default_stands_and_restored_there(
    path: tuple[str, ...], value: object, gone: list[str], come: list[str]
) -> None:
    changed = edited(HOME, path, value, as_default)
    assert removed_and_added(HOME, changed) == (gone, come)
    if path != ("gateway", "port"):
        assert edited(changed, path, None, as_default) == HOME


def test_a_section_that_is_a_comment_is_opened_where_it_stands() -> None:
    changed = edited(HOME, ("sandboxes", "docker", "base"), "alpine", as_default)
    assert tomllib.loads(changed)["sandboxes"] == {"docker": {"base": "alpine"}}
    assert len(changed.split("\n")) == len(HOME.split("\n"))
    whole = edited(HOME, ("sandboxes", "docker"), {"base": "alpine", "limits": {"processes": 5}}, as_default)
    assert tomllib.loads(whole)["sandboxes"] == {"docker": {"base": "alpine", "limits": {"processes": 5}}}


def test_a_table_comes_at_the_end_and_goes_again_and_nothing_else_changes() -> None:
    for path, value in [
        (("agents", "bob"), {"model": "a/b", "egress": {"hosts": ["x"]}}),
        (("policy", "rules"), [{"verdict": "deny", "arguments": {"path": "*"}}, {"verdict": "ask"}]),
        (("models", "a/b.c"), {"input_usd": 1.5}),
    ]:
        changed = edited(HOME, path, value, as_default)
        assert changed.startswith(HOME)
        assert edited(changed, path, None, as_default) == HOME


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("a = 1 # one\r\n", ("a",), 2, "a = 2 # one\r\n"),
        ("[a]\r\nb = 1\r\n", ("a", "c"), 2, "[a]\r\nb = 1\r\nc = 2\r\n"),
        ("[a]\nb = 1", ("a", "c"), 2, "[a]\nb = 1\nc = 2\n"),
        ("[a.b]\nc = 1\n", ("a", "d"), 2, "[a.b]\nc = 1\n\n[a]\nd = 2\n"),
        ("[a]\nb.c = 1\n", ("a", "b", "d"), 2, "[a]\nb.c = 1\nb.d = 2\n"),
        ("[a]\nb.c = 1\n", ("a", "b", "c"), None, "[a]\nb = {}\n"),
        ("a = { b = { c = 1 } } # x\n", ("a", "b", "c"), 2, "a = { b = { c = 2 } } # x\n"),
        ("a = [\n  1, # one\n  2, # two\n]\n", ("a",), [2, 3], "a = [\n  2, # two\n  3,\n]\n"),
        ("a = [\n  1, # one\n  2 # two\n]\n", ("a",), [1, 2, 3], "a = [\n  1, # one\n  2, # two\n  3,\n]\n"),
        ("a = [1,\n 2]\n", ("a",), [3], "a = [3]\n"),
        (
            "# first\n[[r]]\nv = 1\n\n# second\n[[r]]\nv = 2 # two\n\n[z]\n",
            ("r",),
            [{"v": 2}, {"v": 3}],
            "# second\n[[r]]\nv = 2 # two\n\n[[r]]\nv = 3\n\n[z]\n",
        ),
        ("[[r]]\nv = 1\n", ("r",), [], ""),
        ("[t.a]\nx = 1\n# mine\n\n[t.b]\nx = 1\n", ("t", "a"), None, "# mine\n\n[t.b]\nx = 1\n"),
    ],
)
def test_only_what_is_changed_changes(before: str, path: tuple[str, ...], value: object, after: str) -> None:
    assert edited(before, path, value) == after


def test_a_person_s_own_comment_is_not_taken_for_a_default() -> None:
    text = '[agents.main]\n#effort = "max"  # too dear\n'
    assert edited(text, ("agents", "main", "effort"), "low", as_default) == text.replace("\n", '\neffort = "low"\n', 1)


def test_what_stands_in_the_way_is_told() -> None:
    with pytest.raises(Conflict, match="a is no table"):
        edited("a = 1\n", ("a", "b"), 2)
    with pytest.raises(Conflict, match="r cannot be changed"):
        edited("[[r]]\nv = 1\n[z]\n[[r]]\nv = 2\n", ("r",), [{"v": 3}])


NAMES = st.one_of(st.from_regex(r"[a-z_]{1,3}", fullmatch=True), st.text(min_size=1, max_size=3))
LEAVES = st.one_of(
    st.text(max_size=8),
    st.integers(-9, 9),
    st.booleans(),
    st.floats(-9, 9).map(lambda number: number + 0.0),
    st.lists(st.text(max_size=4), max_size=3),
    st.lists(st.integers(0, 9), max_size=3),
)
TABLES = st.dictionaries(NAMES, LEAVES, max_size=3)
PATHS = st.tuples(
    st.sampled_from(["one", "two", "a b"]), st.sampled_from(["x", "y.z"]), st.sampled_from(["k", "l", "m"])
)
CHANGES = st.lists(
    st.one_of(
        st.tuples(PATHS, st.one_of(st.none(), LEAVES)),
        st.tuples(PATHS.map(lambda path: path[:2]), st.one_of(st.none(), TABLES)),
        st.tuples(st.tuples(st.sampled_from(["top", "high"])), st.one_of(st.none(), LEAVES)),
    ),
    max_size=8,
)
COMMENTS = ["", "# kept 1", "[one.x] # kept 2", "k = '''\n[two.x]\n''' # kept 3", "#[two.x]", "#k = 5", ""]


def put(table: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for step in path[:-1]:
        table = table.setdefault(step, {})
    table.pop(path[-1], None)
    if value is not None:
        table[path[-1]] = value


def bare(table: dict[str, Any]) -> dict[str, Any]:
    """Without the tables of names that have none."""
    return {key: value for key, value in table.items() if value != {}}


@given(changes=CHANGES, ends=st.sampled_from(["\n", "\r\n"]))
def test_any_changes_one_after_the_other_are_what_is_read_then(
    changes: list[tuple[tuple[str, ...], object]], ends: str
) -> None:
    text = "\n".join(COMMENTS).replace("\n", ends)
    wanted = tomllib.loads(text)
    for path, value in changes:
        if value is None and len(path) == 3 and path[1] not in wanted.get(path[0], {}):
            continue
        text = edited(text, path, value)
        put(wanted, path, value)
        assert bare(tomllib.loads(text)) == bare(wanted)
    kept = [line for line in ("# kept 1",) if line not in text]
    assert kept == []


def paths_of_new_home() -> list[tuple[tuple[str, ...], object]]:
    """Keys of the file of a new home whose defaults stand there as comments, each with another value."""
    return [
        (("agents", "main", "effort"), "high"),
        (("agents", "main", "max_iterations"), 3),
        (("agents", "main", "daily_usd"), 2.5),
        (("agents", "main", "tools"), ["read_file"]),
        (("agents", "main", "egress", "deny"), ["x"]),
        (("limits", "sockets"), 5),
        (("log", "level"), "debug"),
        (("user", "timezone"), "UTC"),
        (("policy", "dry_run"), True),
        (("extra_tools",), ["x.y"]),
        (("sandboxes", "bubblewrap", "level"), "relaxed"),
    ]


@given(st.lists(st.tuples(st.sampled_from(paths_of_new_home()), st.booleans()), max_size=20))
def test_in_a_new_home_any_keys_are_set_and_unset_and_all_other_lines_stay(
    steps: list[tuple[tuple[tuple[str, ...], object], bool]],
) -> None:
    text, there = HOME, dict[tuple[str, ...], object]()
    for (path, value), is_set in steps:
        text = edited(text, path, value if is_set else None, as_default)
        there.pop(path, None)
        if is_set:
            there[path] = value
    wanted = tomllib.loads(HOME)
    for path, value in there.items():
        put(wanted, path, value)
    assert bare(tomllib.loads(text)) | {"sandboxes": 0} == bare(wanted) | {"sandboxes": 0}
    changed = [line for line, before in zip(text.split("\n"), HOME.split("\n"), strict=True) if line != before]
    set_now = [f"{path[-1]} = {toml(value)}" for path, value in there.items()]
    assert sorted(line for line in changed if line != "[sandboxes.bubblewrap]") == sorted(set_now)
