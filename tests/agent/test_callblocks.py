import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.agent.callblocks import BlockReader, Found

LOOK = '```tool_call\n{"name": "look", "arguments": {"at": 1}}\n```'
LOOKED = Found("look", '{"at":1}')


def read(*pieces: str) -> list[str | Found]:
    """What was found, neighbouring text joined."""
    reader, found = BlockReader(), list[str | Found]()
    for one in [one for piece in pieces for one in reader.feed(piece)] + reader.finish():
        if isinstance(one, str) and found and isinstance(last := found[-1], str):
            found[-1] = last + one
        else:
            found.append(one)
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("Hello\n\nyou\n", ["Hello\n\nyou\n"]),
        ("\n", ["\n"]),
        (LOOK, [LOOKED]),
        (LOOK + "\n", [LOOKED]),
        (LOOK.replace("\n", "\r\n"), [LOOKED]),
        (f"Let me look.\n\n{LOOK}\n\nThere.\n", ["Let me look.", LOOKED, "There.\n"]),
        (f"{LOOK}\n{LOOK}\n\n{LOOK}", [LOOKED, LOOKED, LOOKED]),
        ('```tool_call\n{"name": "look"}\n```', [Found("look", "{}")]),
        ('  ```tool_call  \n{\n "name": "look",\n "arguments": {"at": 1}\n}\n  ```  \n', [LOOKED]),
        ('```tool_call\n{"name": "look", "arguments": {"at": 1}}```', [LOOKED]),
        ('```tool_call\n{"name": "look", "arguments": {"at": 1}}', [LOOKED]),
        ('```tool_call\n{"name": "look", "arguments": "{\\"at\\":1}"}\n```', [LOOKED]),
        ('```tool_call\n{"name": "look", "arguments": {"at": "\\ud800"}}\n```', [Found("look", '{"at":"?"}')]),
    ],
)
def test_calls_are_found_in_text(text: str, found: list[str | Found]) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ('{"name": "look", "arguments": {"at": 1', "look"),
        ('{"name": "look", "arguments": {"at": 1,,}}', "look"),
        ("look(1)", ""),
        ("[1]", ""),
        ("{}", ""),
        ('{"name": 5}', ""),
        ("[" * 100_000, ""),
        ("", ""),
    ],
)
def test_a_call_that_cannot_be_read_keeps_what_was_written(block: str, name: str) -> None:
    assert read(f"```tool_call\n{block}\n```\nand on") == [Found(name, block), "and on"]
    assert read(f"```tool_call\n{block}") == [Found(name, block)]


@pytest.mark.parametrize(
    "text",
    [
        f"````markdown\n{LOOK}\n````\nlike this",
        f"~~~\n{LOOK}\n~~~",
        "```text\n```tool_call\n{}\n",
        "A line of `code`, and ```tool_call inside of a line",
        "    ```tool_call\n    {}",
        "```tool_calls\n{}\n```",
        "```tool_call",
        "```tool\n_call\n{}",
        "``",
    ],
)
def test_what_is_quoted_or_only_looks_like_a_call_is_text(text: str) -> None:
    assert read(text) == [text]
    assert read(*text) == [text]


def test_a_call_after_a_block_of_another_kind_is_a_call() -> None:
    assert read(f"```python\nprint()\n```\n{LOOK}") == ["```python\nprint()\n```", LOOKED]


def test_arguments_may_hold_blocks() -> None:
    content = f"# Title\n```python\nprint()\n```\n{LOOK}\nend"
    written = json.dumps({"name": "write", "arguments": {"content": content}})
    assert read(f"```tool_call\n{written}\n```") == [
        Found("write", json.dumps({"content": content}, separators=(",", ":")))
    ]
    raw = written.replace("\\n", "\n")
    assert read(f"```tool_call\n{raw}\n```") == read(f"```tool_call\n{written}\n```")


def test_a_string_that_never_ends_takes_no_other_call_with_it() -> None:
    broken = '{"name": "say", "arguments": {"text": "no end}}'
    assert read(f"```tool_call\n{broken}\n```\nText\n\n{LOOK}") == [Found("say", broken), "Text", LOOKED]


PIECES = st.sampled_from(
    [
        "```",
        "`",
        "~~~",
        "tool_call",
        "\n",
        "\n\n",
        " ",
        "    ",
        LOOK,
        '{"name": "look"}',
        '"',
        "\\",
        "}",
        "word",
        "\r\n",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.data())
def test_how_a_text_is_cut_makes_no_difference(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*pieces) == read(text) == read(*text)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_text_without_a_call_stays_as_it_is(text: str) -> None:
    found = read(text)
    assert any(isinstance(one, Found) for one in found) or "".join(str(one) for one in found) == text


def test_strings_that_never_end_are_read_again_only_a_few_times() -> None:
    text = '```tool_call\n"\n```\n"\n' * 5_000
    found = read(text)
    assert [one.name for one in found if isinstance(one, Found)] == [""] * 9
    assert sum(len(one if isinstance(one, str) else one.arguments) for one in found) <= len(text)
