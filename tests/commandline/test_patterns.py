"""Patterns of commands."""

import pytest

from carapax.commandline import Pattern, parse
from carapax.errors import ConfigError


def meant(pattern: str, text: str) -> str:
    """What the pattern says of the last command of a line."""
    return Pattern(pattern).meant(parse(text).commands[-1])


def covers(pattern: str, text: str) -> bool:
    return Pattern(pattern).covers(parse(text).commands[-1])


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        *[
            ("rm", text)
            for text in ("rm", "rm a", "/bin/rm a", "./rm a", "RM a", "'r'm a", "env rm a", "/x/../bin/rm $a")
        ],
        *[("rm **", text) for text in ("rm", "rm a b", "rm $a")],
        *[("/usr/bin/rm", text) for text in ("rm", "/bin/rm a")],
        *[
            ("git push", text)
            for text in ("git push", "git -C a push -f", "git -c a=b push origin main", "git a push $b")
        ],
        *[("git push *", text) for text in ("git push a", "git push -f a")],
        *[("rm *", text) for text in ("rm a", "rm -rf a b")],
        *[("mkfs*", text) for text in ("mkfs a", "mkfs.ext4 a", "/sbin/mkfs.ext4")],
        *[("> /etc/*", text) for text in ("> /etc/passwd", ">> /etc/a/b")],
        *[("**", text) for text in ("rm", "./a b")],
        *[("curl *evil*", text) for text in ("curl -s http://evil.example/", "curl -o evil a")],
    ],
)
def test_a_program_is_meant_whatever_stands_around_the_words(pattern: str, text: str) -> None:
    assert meant(pattern, text) == "yes"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("git push", "git $a"),
        ("git push", 'git "p$a"'),
        ("git push", "git pu*"),
        ("git push", "git {push,a}"),
        ("rm *", "rm $a"),
    ],
)
def test_what_may_become_what_is_meant_is_told_apart(pattern: str, text: str) -> None:
    assert meant(pattern, text) == "maybe"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("rm", "ls rm"),
        ("git push", "git pull"),
        ("git push", 'git "x$a"'),
        ("git push", "git po*"),
        ("rm *", "rm"),
        ("rm", "rmdir"),
    ],
)
def test_other_commands_are_not_meant(pattern: str, text: str) -> None:
    assert meant(pattern, text) == "no"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        *[("git status", text) for text in ("git status", "/usr/bin/git status", "git 'status'")],
        *[("git log **", text) for text in ("git log", "git log -3 a", "git log $a")],
        *[("cat *", text) for text in ("cat a", "cat 'a b'", 'cat "$a"')],
        *[("rm build/*", text) for text in ("rm build/a", "rm build/a/b", 'rm "build/$a"')],
        *[("a ** b ** c", text) for text in ("a b c", "a b b x c c", "a x b c")],
        *[("./run.sh **", text) for text in ("./run.sh", "./run.sh a")],
        *[("> out/*", text) for text in ("> out/a", ">> out/a/b")],
        *[("**", text) for text in ("make a", "python3 a.py")],
    ],
)
def test_what_a_pattern_says_is_covered(pattern: str, text: str) -> None:
    assert covers(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        *[
            ("git status", text)
            for text in ("git status -s", "git", "./git status", "/tmp/git status", "gіt status", "GIT status")
        ],
        *[("cat *", text) for text in ("cat", "cat a b", "cat $a", "cat *", "cat {a,b}", "cat $(ls)")],
        *[("rm build/*", text) for text in ("rm build/../a", "rm build/a/../../b", 'rm "$a"', "rm build")],
        *[("./run.sh **", text) for text in ("run.sh", "/tmp/run.sh", "../run.sh")],
        *[("> out/*", text) for text in ("> a", "> out/../a", "< out/a", "> $a")],
        *[("**", text) for text in ("./a", "/tmp/a b", "$a b")],
        *[("a ** b", text) for text in ("a", "a b c", "b")],
    ],
)
def test_nothing_else_is(pattern: str, text: str) -> None:
    assert not covers(pattern, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be empty"),
        ("git 'status", "quote that is not closed"),
        ("git status && rm a", "more than one command"),
        ("ls | wc", "more than one command"),
        ("ls > a", "more than one command"),
        ("$EDITOR a", "begins with no program"),
        ("A=b ls", "begins with no program"),
    ],
)
def test_what_is_no_pattern_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Pattern(text)
