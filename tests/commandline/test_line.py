"""A command line as a whole."""

import time

import pytest

from carapax.commandline import LONGEST, Command, CommandLine, Word, parse
from tests.commandline.reading import is_sure


def test_a_line_is_its_simple_commands_with_their_words() -> None:
    assert parse('env sort -u "$a" | ./mine > out') == CommandLine(
        (
            Command((Word("env"), Word("sort"), Word("-u"), Word("", "one")), "wrapper"),
            Command((Word("sort"), Word("-u"), Word("", "one")), "opaque", "sort may start other programs"),
            Command((Word(">"), Word("out"))),
            Command((Word("./mine"),), "opaque", "nobody knows what ./mine is"),
        )
    )


def test_what_stands_against_knowing_it_is_told() -> None:
    assert parse("ls; $a b; PATH=. c '").unclear == (
        "the name of a command is only known when it runs",
        "a quote is not closed",
    )


def test_emoji_and_letters_of_any_language_are_fine_in_arguments() -> None:
    assert is_sure("echo 'żółw 🐢 שלום' > /dev/null")


def test_too_long_a_line_is_unclear() -> None:
    assert parse("a" * (LONGEST + 1)).unclear == ("it is longer than 100000 characters",)
    assert parse("ls; " * (LONGEST // 4)).unclear == ("it has more than 2000 commands",)


@pytest.mark.parametrize(
    "shape",
    [
        *(
            "(",
            "$(",
            "`",
            '"',
            '"$(echo ',
            "a;",
            "a ",
            "${a:-",
            "cat <<A\n",
            "<<A ",
            "env ",
            "eval ",
            "time ",
            "! ",
            "xargs ",
        ),
        *(
            "-exec a ; ",
            "1",
            "$((1",
            "*",
            "\\a",
            "''",
            ">a ",
            "$(a) ",
            "`a` ",
            "f() ",
            "a=b ",
            "a|",
            "\\\n",
            "#\n",
            '"$a',
            "<(",
            "~",
        ),
        *("-e ", "1p;", "s/a/", "a) ;; ", "{", "[[ ", "if ", "for a in ", "case a in ", "&", "\n", "'", "\\`"),
    ],
)
@pytest.mark.parametrize("start", ["ls ", 'echo "'])
def test_hostile_lines_are_read_once(start: str, shape: str) -> None:
    """No figure is asserted but a generous bound: what takes a square of its length takes hours."""
    began = time.process_time()
    parse.__wrapped__(start + shape * ((LONGEST - len(start)) // len(shape)))
    assert time.process_time() - began < 10
