"""Words: quotes, expansions, here-documents."""

import pytest

from carapax.commandline import Word, parse
from tests.commandline.reading import runs


def words(text: str) -> tuple[Word, ...]:
    """The words after `echo`."""
    line = parse("echo " + text)
    assert line.unclear == ()
    return line.commands[-1].words[1:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("'a b' \"c d\" e\\ f", ["a b", "c d", "e f"]),
        ("a'b'\"c\"\\d", ["abcd"]),
        ("'' \"\"", ["", ""]),
        ('"a\\"b\\\\c\\n\\$d"', ['a"b\\c\\n$d']),
        ("'a\\'", ["a\\"]),
        ("a # comment", ["a"]),
        ("a#b", ["a#b"]),
        ("a \\\n b", ["a", "b"]),
        ("{} a{}b } =x a=b", ["{}", "a{}b", "}", "=x", "a=b"]),
        ("$ a$ [ a[ ]", ["$", "a$", "[", "a[", "]"]),
        ("HEAD~1 a@{b", ["HEAD~1"]),
    ],
)
def test_quotes_are_taken_away(text: str, expected: list[str]) -> None:
    assert [word.text for word in words(text) if not word.open] == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("$a", Word("", "any")),
        ("x$a", Word("x", "any")),
        ('"x$a"', Word("x", "one")),
        ('"x$@"', Word("x", "any")),
        ("${a:-b}", Word("", "any")),
        ('"${a%.*}y"', Word("", "one")),
        ('"${#a}${a[@]}"', Word("", "any")),
        ("$((1 + 2))", Word("", "any")),
        ("src/*.py", Word("src/", "some")),
        ("a?b", Word("a", "some")),
        ("[ab]c", Word("", "some")),
        ("a{b,c}d", Word("a", "some")),
        ("~/x", Word("", "one")),
        ("--file=~/x", Word("--file=", "one")),
        ("$'a\\n'", Word("", "one")),
        ('x$"a"', Word("x", "any")),
        ("<(ls)", Word("/dev/fd/", "one")),
    ],
)
def test_of_what_is_only_known_when_it_runs_the_beginning_is_kept(text: str, word: Word) -> None:
    assert words(text) == (word,)


@pytest.mark.parametrize(
    "text",
    [
        "echo $(rm x)",
        "echo `rm x`",
        'echo "a $(rm x) b"',
        'echo "`rm x`"',
        "echo ${a:-$(rm x)}",
        'echo "${a:-`rm x`}"',
        "echo <(rm x)",
        "echo a<(rm x)",
        "echo a > >(rm x)",
        "a=$(rm x)",
        "a=(b $(rm x))",
        'echo $(echo $(echo "$(rm x)"))',
        "echo `echo \\`rm x\\``",
        "cat <<E\n$(rm x)\nE",
        "cat <<-E\n\t`rm x`\n\tE",
        "cat <<< $(rm x)",
        "cat < $(rm x)",
        "echo $(cat <<E\n$(rm x)\nE\n)",
        "cat <<A <<'B'\n$(rm x)\nA\n$(ls)\nB",
        "for a in $(rm x); do ls; done",
        "case $(rm x) in a) ;; esac",
        "case a in $(rm x)) ls ;; esac",
        "[[ -f $(rm x) ]]",
    ],
)
def test_what_is_substituted_is_read_as_commands(text: str) -> None:
    assert "rm x" in runs(text)
    assert "?" not in runs(text)


@pytest.mark.parametrize("text", ["echo '$(rm x)'", "cat <<'E'\n$(rm x)\nE", "cat <<\\E\n`rm x`\nE"])
def test_what_is_quoted_is_not(text: str) -> None:
    assert "rm x" not in runs(text)


@pytest.mark.parametrize(
    "text",
    [
        "echo 'a",
        'echo "a',
        "echo `a",
        "echo $(a",
        "echo ${a",
        "echo a\\",
        "r\\\nm x",
        "echo $\\\n(rm x)",
        'echo "$\\\n(rm x)"',
        "echo $((a))",
        "echo $[1]",
        "echo ${a[b]}",
        "echo ${!a}",
        "echo ${a@P}",
        "echo ${a:=b}",
        "echo ${a:b}",
        "echo \"${a:-'}'}\"",
        "echo $'a\\'b'",
        "cat <<E\nx",
        "cat <<E\na\\\nE",
        "cat <<$a\nx\n$a",
        'cat <<E "a\nb"\nE',
        "cat <<E",
        'cat <<E "$(ls\nls)"\nE',
        "cat <<E `ls`\nE",
        "echo " + "$(" * 60,
        "echo " + '"${a:-' * 60,
    ],
)
def test_what_shells_may_read_differently_is_unclear(text: str) -> None:
    assert runs(text)[-1:] == ["?"]
