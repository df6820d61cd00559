"""Markdown in a terminal."""

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from carapax.cli.markdown import Blocks, paint

TEXT = """\
# Title

Some *words* and `code`, [a link](https://example.com/x) and <b>no tag</b>.

- one
- two

  more of two

3. three
4. four

> quoted
> twice

| a | b |
|---|---|
| 1 | 2 |

```python
def f() -> None:
    return None  # done
```

![cat](cat.png)
"""
MARKS = st.sampled_from(
    [
        *("# ", "- ", "1. ", "> ", "```", "```py", "~~~", "\n", "\n\n", "    ", "| a | b |", "|---|---|", "---", "==="),
        *("*", "_", "`", "[a](b)", "[a]", "[a]: b", "![", "](", "<b>", "<!--", "x", "word ", "\x1b[2J", "\r\n", "\t"),
        *("é", "字", "\U0001f469\u200d\U0001f467", "ש", "\\", "&amp;", "~~", "<http://a.b>", "[![i](j)](k)", "* * *"),
        *("\x00", "\u202e", "\u2028", "\x85", "- [ ] "),
    ]
)
MARKDOWN = st.lists(MARKS, max_size=40).map("".join) | st.text(max_size=200)


def plain(text: str, width: int = 60) -> str:
    return paint(text, width, colours=False, styles=False)


def streamed(pieces: list[str]) -> list[str]:
    blocks = Blocks()
    out = []
    for piece in pieces:
        blocks.add(piece)
        out += blocks.whole()
    return out + blocks.end()


def test_every_kind_of_block_is_painted() -> None:
    assert plain(TEXT).splitlines() == [
        "Title",
        "",
        "Some words and code, a link (https://example.com/x) and",
        "<b>no tag</b>.",
        "",
        " • one",
        " • two",
        "   more of two",
        "",
        " 3 three",
        " 4 four",
        "",
        "▌ quoted twice",
        "",
        "",
        " a  b",
        " ────",
        " 1  2",
        "",
        "",
        "  def f() -> None:",
        "      return None  # done",
        "",
        "[picture: cat] (cat.png)",
    ]


def test_a_block_comes_out_once_another_has_begun_below_it() -> None:
    blocks = Blocks()
    blocks.add("one\n")
    assert blocks.whole() == []
    blocks.add("\ntwo")
    assert blocks.whole() == []
    blocks.add("\n")
    assert blocks.whole() == ["one\n\n"]
    assert blocks.end() == ["two\n"]


def test_a_link_shows_where_it_leads() -> None:
    assert plain("[https://bank.example](https://thief.example)") == "https://bank.example (https://thief.example)"
    assert plain("<https://a.example>") == "https://a.example"


def test_colours_can_be_done_without() -> None:
    code = "```python\nreturn 1\n```"
    assert re.search(r"\x1b\[[0-9;]*[39]\d[;m]", paint(code, 60, colours=True))
    assert "\x1b" not in paint("**bold** `code`", 60, colours=False, styles=False)
    assert not re.search(r"\x1b\[[0-9;]*[39]\d[;m]", paint(code + "\n\n**bold** `x`", 60, colours=False))
    assert "\x1b[1m" in paint("**bold**", 60, colours=False)


@given(MARKDOWN, st.lists(st.integers(0, 200), max_size=8))
@example("    code\n\r\n| a | b |\n|---|---|\n", [11])
@settings(max_examples=200, deadline=None)
def test_what_is_streamed_in_pieces_ends_the_same_as_whole(text: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(places)]
    blocks = streamed(pieces)
    assert blocks == streamed([text])
    assert "".join(blocks).strip() == text.strip()


@pytest.mark.parametrize(
    "item", ["- an item of many\n", "- an item\n\n  and more of it\n\n", "- an item\n  - within\n"]
)
def test_a_list_without_end_comes_out_in_parts_that_begin_with_an_item(item: str) -> None:
    text = f"Before.\n\n{item * 6_000}\nAfter.\n"
    blocks = streamed([text[at : at + 3_000] for at in range(0, len(text), 3_000)])
    assert blocks == streamed([text])
    assert "".join(blocks) == text
    assert max(map(len, blocks)) < 20_000
    assert {block[:9] for block in blocks[1:-1]} == {"- an item"}


def test_a_table_without_end_comes_out_in_parts_below_its_header() -> None:
    head, row = "| a | b |\n|---|---|\n", "| one | *two* |\n"
    text = head + row * 4_000 + "\nAfter.\n"
    blocks = streamed([text[at : at + 3_000] for at in range(0, len(text), 3_000)])
    assert blocks == streamed([text])
    assert [block[: len(head)] for block in blocks[:-1]] == [head] * (len(blocks) - 1)
    assert "".join([head, *(block.removeprefix(head) for block in blocks)]) == text
    assert max(map(len, blocks)) < 20_000
    assert plain(blocks[1]).splitlines()[:3] == [" a    b", " ────────", " one  two"]


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        ("", "some words\n"),
        ("", "> some words\n"),
        ("> | a | b |\n> |---|---|\n", "> | one | two |\n"),
        ("- one\n\n", "  more of it\n\n"),
        ("- one\n\n  | a | b |\n  |---|---|\n", "  | one | two |\n"),
        (f"|{'a|' * 9_000}\n|{'-|' * 9_000}\n", "| one | two |\n"),
        (f"|{'a|' * 3_000}\n|{'-|' * 3_000}\n", "| one | two |\n"),
    ],
)
def test_no_block_is_waited_for_without_end(begins: str, goes_on: str) -> None:
    blocks = Blocks()
    blocks.add(begins)
    held = []
    for _ in range(20):
        blocks.add(goes_on * (3_000 // len(goes_on)))
        blocks.whole()
        held.append(len(blocks.rest))
    assert max(held[10:]) < 30_000


def test_code_is_never_cut_however_long_it_is() -> None:
    code = "```\n" + "| a | b |\n" * 5_000 + "```\n"
    for text in (code, f"> {code}".replace("\n", "\n> ", 5_001), f"- one\n\n{code}".replace("\n", "\n  ")):
        assert [block.count("```") for block in streamed([f"{text}\n\n# After\n"]) if "```" in block] == [2]


@given(MARKDOWN, st.integers(1, 120), st.booleans())
@settings(max_examples=200, deadline=None)
def test_nothing_commands_the_terminal_and_nothing_crashes(text: str, width: int, colours: bool) -> None:
    painted = paint(text, width, colours=colours)
    left = re.sub(r"\x1b\[[0-9;]*m", "", painted)
    assert {one for one in left if unicodedata.category(one) == "Cc"} <= {"\n"}


@pytest.mark.parametrize("width", [20, 40, 80])
def test_lines_are_no_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, plain(TEXT + "\n" + "long " * 50, width).splitlines())) <= width


def test_a_huge_text_is_taken_as_it_is() -> None:
    assert plain("[" * 30_000) == "[" * 30_000
    assert plain("*" * 300_000) == "*" * 300_000


@pytest.mark.parametrize("width", [10, 20, 40, 79])
@pytest.mark.parametrize("depth", [3, 12, 25, 60])
@pytest.mark.parametrize("mark", ["> ", "- ", "1. "])
def test_no_word_is_lost_however_deep_it_stands_and_however_narrow_the_terminal_is(
    mark: str, depth: int, width: int
) -> None:
    text = "".join(f"{'   ' * level}{mark}a\n" for level in range(depth)) + f"{'   ' * depth}{mark}INNERMOST\n"
    shown = paint(text, width, colours=False, styles=False)
    assert "INNERMOST" in re.sub(r"[^A-Z]", "", shown)
    assert max(map(cell_len, shown.split("\n"))) <= width


def test_a_table_that_is_too_wide_stays_as_it_was_written() -> None:
    assert paint("| some | words |\n|-|-|\n| that | need |\n", 10, colours=False) == (
        "| some |\nwords |\n|-|-|\n| that |\nneed |"
    )
