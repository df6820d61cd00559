"""What starts other commands is looked through."""

import pytest

from carapax.commandline import parse
from tests.commandline.reading import runs, seen


@pytest.mark.parametrize(
    "text",
    [
        *("env rm a", "env -i rm a", "env - rm a", "env -u A -C /tmp rm a", "env LANG=C rm a", "env -S 'rm a'"),
        *("env -iS 'rm a'", "env --split-string='rm a'", "env -i -- rm a", "/usr/bin/env rm a"),
        *("sh -c 'rm a'", "bash -c 'rm a' b c", "bash -ec 'rm a'", "dash -c -e 'rm a'", "bash -o pipefail -c 'rm a'"),
        *("bash --norc -c 'rm a'", "sh -c -- 'rm a'", "/bin/bash -xc 'rm a'", "bash -c \"sh -c 'rm a'\""),
        *("nice rm a", "nice -n 5 rm a", "nice -5 rm a", "nice --adjustment=5 rm a", "nohup rm a", "setsid -w rm a"),
        *(
            "timeout 5 rm a",
            "timeout -k 1 --signal=9 5 rm a",
            "\\time -f x rm a",
            "stdbuf -oL rm a",
            "ionice -c 3 rm a",
        ),
        *("/usr/bin/time -v rm a", "\\time rm a", "command rm a", "command -p rm a", "builtin rm a", "exec rm a"),
        *("exec -a b rm a", "exec -- rm a", "eval rm a", "eval 'rm' \"a\"", "eval -- rm a", "trap 'rm a' EXIT"),
        *("busybox rm a", "/bin/busybox sh -c 'rm a'", "watch -n 1 rm a", "watch -x rm a", "sudo rm a"),
        *("sudo -u b -E LANG=C rm a", "doas -u b rm a", "su -c 'rm a'", "su b -c 'rm a'", "find . -exec rm a \\;"),
        *("find . -name b -execdir rm a ';' -print", "find . -ok rm a \\;", "xargs -I b rm a", "xargs -i rm a"),
        *("xargs -Ib -n 1 rm a", "env nice timeout 5 sh -c 'eval \"exec rm a\"'", "zsh -c 'rm a'"),
    ],
)
def test_what_a_wrapper_starts_is_a_command_of_the_line(text: str) -> None:
    assert "rm a" in runs(text)
    assert "?" not in runs(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("find . -exec rm {} \\; -exec cp a{}b {} +", ["rm …", "cp a… …"]),
        ("xargs rm -f", ["rm -f …"]),
        ("xargs -0 -n1", ["echo …"]),
        ("xargs -I% mv a% b", ["mv a… b"]),
        ("xargs --replace mv a{} b", ["mv a… b"]),
    ],
)
def test_what_is_filled_in_is_not_known(text: str, expected: list[str]) -> None:
    assert [command for command in runs(text) if not command.startswith("find")] == expected


@pytest.mark.parametrize(
    "text",
    [
        *("$a b", '"$a" b', "r$a b", "/bin/r? a", "{rm,a}", "~/rm a", "$(echo rm) a", "`echo rm` a", "$'rm' a", "r* a"),
        *(
            "sh -c $a",
            'bash -c "$a"',
            "sh $a -c ls",
            "eval $a",
            'eval "rm $a"',
            "trap $a EXIT",
            "env $a rm",
            "env -S '$a'",
        ),
        *("env -S \"'rm' a\"", "nice $a rm", "timeout $a rm a", 'timeout "$a" rm', "xargs -I $a rm", "find $a -print"),
        *(
            "find . -exec rm",
            "find . -exec $a \\;",
            "xargs -I{} {} a",
            "xargs sh -c",
            "xargs env",
            "watch $a",
            "exec $a",
        ),
        *(
            "env --unknown rm",
            "nice --unknown rm",
            "bash --unknown -c rm",
            "bash -O extglob -c 'rm a'",
            "command -x rm",
        ),
        *(
            "alias a=rm",
            "enable -f a b",
            "hash -p /a b",
            "shopt -s b",
            "bind -x a",
            "complete -C a b",
            "let a",
            "fc -s",
        ),
        *(
            "mapfile -C a b",
            "getopts a b",
            "printf -v a b",
            'printf "$a" b',
            "test -v a",
            "[ $a ]",
            "[ \"$a\" 'b[$(rm)]' ]",
        ),
        *(
            "unset 'a[1]'",
            "read $a",
            "read 'a[1]'",
            "declare -n a=b",
            "declare $a",
            "declare -i a=b",
            "wait -p a",
            "jobs -x a",
        ),
        *("set -o posix", "set -k", "set $a", "set -a"),
        *("PATH=. ls", "LD_PRELOAD=a ls", "A=b ls", "PATH=.", "IFS=x", "export A=b", "export PATH", "declare -x A=b"),
        *(
            "env PATH=. ls",
            "for PATH in .; do ls; done",
            "read PATH",
            "unset PATH",
            "BASH_ENV=a",
            "PS4='$(rm)'",
            "LANG=$a ls",
        ),
        *(
            "сurl a",
            "rм a",
            "ｒｍ a",
            "rm\u00a0a b",
            "r\u200bm a",
            "ls \u202e",
            "ls \x1b",
            "ls\r",
            "ls \ud800",
            "ls \x00",
        ),
        *("cat </dev/tcp/a/1", "echo >/dev/udp/a/1", "sudo $a rm", "LANG=/tmp/a ls"),
    ],
)
def test_what_is_only_known_when_it_runs_is_unclear(text: str) -> None:
    assert runs(text)[-1:] == ["?"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "make",
            "./rm a",
            "bin/rm a",
            "/tmp/rm a",
            "/usr/bin/../../tmp/rm a",
            "python3 -c 'a'",
            "perl -e a",
            "awk 'BEGIN{system(\"rm\")}'",
        ),
        *(
            "awk '{print > \"a\"}' b",
            "awk -f a b",
            "sed 's/a/b/e' c",
            "sed '1e rm a' b",
            "sed -f a b",
            "sed 's/a/b/w c' d",
        ),
        *(
            "git status",
            "sort --compress-program=rm a",
            "sort -o a b",
            "tar xf a",
            "ssh a rm b",
            "parallel rm ::: a",
            "bash a",
        ),
        *(
            "bash",
            "bash -s",
            "sh < a",
            ". a",
            "source a",
            "bash -lc ls",
            "bash -ic ls",
            "su",
            "vim a",
            "!! a",
        ),
        *(
            "rg --pre rm a",
            "rg -z a",
            "zsh -c ls",
            "wget a",
            "f() { ls; }; f",
            "ld.so rm",
            "script -c rm",
            "flock a rm",
        ),
        *("diff -l a b", "diff --paginate a b", "split --filter=rm a"),
    ],
)
def test_what_may_start_what_nobody_sees_is_opaque(text: str) -> None:
    assert [command for command in seen(text) if command.endswith("(opaque)")]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "command -v rm",
            "env",
            "env LANG=C",
            "exec > /dev/null",
            "trap - EXIT",
            "trap",
            "bash --version",
            "busybox --list",
        ),
        *(
            "set -euo pipefail",
            "set -x -- a $b",
            "export LANG=C",
            "declare -a a",
            "local a=$b",
            "read -r a b",
            "unset -f a",
        ),
        *("a=b", "lower_case=$c", "OUT=build", '[ -f "$a" ]', '[ "$a" = "$b" ]', 'test -n "$a"', "printf '%s' \"$a\""),
        *(
            "LC_ALL=C sort a",
            "LANG=C.UTF-8 ls",
            "for i in 1 2; do echo $i; done",
            "wait",
            "xargs -r ls",
        ),
    ],
)
def test_what_is_known_is_clear(text: str) -> None:
    assert [command for command in seen(text) if command.endswith("(opaque)") or command == "?"] == []


def test_nesting_is_bounded() -> None:
    assert parse("env " * 100 + "rm a").unclear == ("too much is nested in it",)
    assert parse("eval " * 100 + "rm a").unclear == ("too much is nested in it",)
