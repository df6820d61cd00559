"""The grammar: simple commands wherever they stand, and nothing that bash takes for one is lost."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapax.commandline import parse
from tests.commandline.reading import runs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# only a comment", []),
        ("rm a; rm b & rm c && rm d || rm e | rm f |& rm g\nrm h", [f"rm {letter}" for letter in "abcdefgh"]),
        ("(rm a; (rm b)) && { rm c; }", ["rm a", "rm b", "rm c"]),
        ("! rm a; time -p rm b; ! time rm c; time -- rm d", ["rm a", "rm b", "rm c", "rm d"]),
        ("if rm a; then rm b; elif rm c; then rm d; else rm e; fi > f", [*(f"rm {x}" for x in "abcde"), "> f"]),
        ("while rm a\ndo rm b\ndone < f; until rm c; do rm d; done", ["rm a", "rm b", "< f", "rm c", "rm d"]),
        ("for x in a b; do rm a; done; for y; do rm b; done; for z do rm c; done", ["rm a", "rm b", "rm c"]),
        ("case a in a|b) rm a;; (c) rm b;& *) rm c; esac", ["rm a", "rm b", "rm c"]),
        ("f() { rm a; }; g () (rm b); function h { rm c; }; function i() { rm d; }", ["rm a", "rm b", "rm c", "rm d"]),
        ("a=b c=d; e=", []),
        ("[[ -f a ]] && rm a", ["[[ -f a ]]", "rm a"]),
        ("[[ 3 -gt 2 ]]", ["[[ 3 -gt 2 ]]"]),
        ("rm a >b 2>>c <d &>e", ["> b", "> c", "< d", "> e", "rm a"]),
        ("rm a >/dev/null 2>&1 <&3 3>&-", ["rm a"]),
        ("rm a>|b<>c>&d", ["> b", "> c", "> d", "rm a"]),
        (">a", ["> a"]),
        ("echo if then; echo }", ["echo if then", "echo }"]),
        ("'if' a", ["if a"]),
    ],
)
def test_simple_commands_are_found_wherever_they_stand(text: str, expected: list[str]) -> None:
    assert runs(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a ;; b",
            "; a",
            "a )",
            "( a",
            "{ a",
            "if a; then b",
            "for",
            "for a b",
            "case a",
            "case a in b",
            "f()",
            "f() rm a",
        ),
        *(
            "((a))",
            "( (a) ); ((b",
            "for ((;;)); do a; done",
            "select a in b; do c; done",
            "coproc rm a",
            "then a",
            "done",
        ),
        *(
            "a (b)",
            "a[0]=b",
            "[[ a -eq b ]]",
            "[[ -v a ]]",
            "[[ a && b ]]",
            "[[ a =~ (b) ]]",
            "echo a &>f b",
            "a > ; b",
        ),
        *("echo !(a)", "a & & b", "fi", "}", "function f", "a=(", "[[ a"),
    ],
)
def test_what_is_no_script_is_unclear(text: str) -> None:
    assert runs(text)[-1:] == ["?"]


SIMPLE = st.lists(
    st.one_of(
        st.text(st.sampled_from("ab-./:=,%+@^_#09"), min_size=1, max_size=4),
        st.text(
            st.characters(codec="utf-8", exclude_characters="'\0", exclude_categories=("Cs", "Cc", "Cf")), max_size=5
        ).map(lambda text: f"'{text}'"),
        st.text(st.sampled_from("ab \\ '|;&<>(){}*?~#!"), max_size=5).map(
            lambda text: '"' + text.replace("\\", "\\\\") + '"'
        ),
        st.sampled_from([" ", "|", ";", "&", "'", '"', "*", "$", "(", "<", "\\", "{"]).map(lambda sign: "\\" + sign),
    ),
    min_size=1,
    max_size=5,
)
NAMES = [f"canary{number}" for number in range(6)]


def joined(parts: list[list[str]], operators: list[str]) -> str:
    commands = [" ".join(["", name, *words, ""]) for name, words in zip(NAMES, parts, strict=False)]
    return "".join(map(" ".join, zip(["", *operators], commands, strict=False)))


LINES = st.builds(
    joined,
    st.lists(SIMPLE, min_size=1, max_size=4),
    st.lists(st.sampled_from(["&&", "||", "|", ";", "\n"]), min_size=3, max_size=3),
)
SHAPES = st.recursive(
    st.sampled_from(["CMD", "CMD a", "CMD >/dev/null"]),
    lambda inner: st.one_of(
        st.builds("{}; {}".format, inner, inner),
        st.builds("( {} )".format, inner),
        st.builds("{{ {}; }}".format, inner),
        st.builds("{} | {}".format, inner, inner),
        st.builds("if {}; then {}; else {}; fi".format, inner, inner, inner),
        st.builds("for x in 1; do {}; done".format, inner),
        st.builds("case a in a) {};; b) {};; esac".format, inner, inner),
        st.builds('echo "$( {})"'.format, inner),
        st.builds("cat <( {})".format, inner),
        st.builds("cat <<E\n$( {})\nE\n:".format, inner),
        st.builds("f() {{ {}; }}".format, inner),
        st.builds("env timeout 5 sh -c '{}'".format, inner.filter(lambda text: "'" not in text)),
    ),
    max_leaves=6,
)


@given(st.text() | st.text(st.sampled_from("ab $(){}[]'\"`\\\n;&|<>#=*~!-"), max_size=60))
def test_nothing_makes_it_fail(text: str) -> None:
    parse(text)


@given(SHAPES)
def test_no_command_of_a_good_script_is_lost(shape: str) -> None:
    count = shape.count("CMD")
    for number in range(count):
        shape = shape.replace("CMD", f"canary{number}", 1)
    line = parse(shape)
    if line.unclear:
        nested = shape.count("<<E") > 1 and "here-document" in line.unclear[0]  # of the same end
        assert nested or line.unclear == ("too much is nested in it",)
    else:
        assert {f"canary{number}" for number in range(count)} <= {command.words[0].text for command in line.commands}


@pytest.mark.skipif(shutil.which("bash") is None and not os.environ.get("CI"), reason="bash is not installed")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=LINES)
def test_words_are_those_of_bash(tmp_path: Path, text: str) -> None:
    stubs = "".join(f"{name}() {{ printf '%s\\0' {name} \"$@\" $'\\1' >> \"$OUT\"; return $RC; }}\n" for name in NAMES)
    told: set[tuple[str, ...]] = set()
    for code in ("0", "1"):  # what follows && and what follows ||
        out = tmp_path / "out"
        out.write_bytes(b"")
        subprocess.run(
            ["bash", "-fc", f"{stubs}{text}\nwait"],
            env={"OUT": str(out), "RC": code, "LANG": "C.UTF-8"},
            check=False,
            capture_output=True,
            timeout=60,
        )
        records = out.read_bytes().decode().split("\0\1\0")
        told |= {tuple(record.split("\0")) for record in records if record}
    line = parse(text)
    assert line.unclear == ()
    found = {tuple(word.text for word in command.words) for command in line.commands}
    assert told <= found
