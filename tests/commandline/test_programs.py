"""Which commands are known to only read."""

import pytest

from carapax.commandline import parse


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ls -la",
            "cat a b | head -n 3 | tail -1",
            "grep -rn 'a b' src/*.py",
            "pwd; date; uname -a",
            "echo $HOME > /dev/null",
        ),
        *(
            "wc -l < a",
            "stat a; file a; du -sh .; df -h",
            "cd src && ls",
            "sort -k2,2n -t, a | uniq -c",
            "sort -t , -k 2 a",
        ),
        *(
            "find . -name '*.py' -type f -mtime -1 -not -path './.git/*' -print0 | xargs -0 grep -l a",
            "find . -maxdepth 2",
        ),
        *(
            "find src/* -name a",
            "sed -n 1,20p a",
            "sed -n '/a/,/b/p' c",
            "sed 's/a/b/g' c",
        ),
        *(
            "sed -n -e '$=' a",
            "sed -E 's#a#b#;s|c|d|p' e",
            "awk '{print $1}' a",
            "awk -F: '$3 == 0 {n++} END {print n}' a",
        ),
        *(
            "diff -u a b",
            "rg -n a src",
            "rg -g '*.py' a",
            "tree -L 2",
            "date -d yesterday +%F",
            "date +%s",
            "LC_ALL=C ls",
        ),
        *("for i in a b; do cat $i; done", "if [ -f a ]; then cat a; fi", 'while read -r l; do echo "$l"; done < a'),
        *("timeout 5 cat a", "env ls", "command -v git", "bash -c 'ls | wc -l'", 'echo "$(cat a)"', "cat <<E\n$a\nE"),
        *(
            "x=$(ls | wc -l); echo $x",
            "set -e; ls",
            "true || false",
            "cat a 2>/dev/null || echo none",
            "jq .a b",
            "hostname",
        ),
    ],
)
def test_commands_that_only_read_are_known(text: str) -> None:
    assert parse(text).only_reads


@pytest.mark.parametrize(
    "text",
    [
        *(
            "rm a",
            "touch a",
            "echo a > b",
            "echo a >> b",
            "ls &> a",
            "ls | tee a",
            "cat > a <<E\nb\nE",
            "echo a >$b",
            "cat < $a",
        ),
        *(
            "sort -o a b",
            "sort --output=a b",
            "sort -ro a b",
            "sort $a",
            "sort -T /tmp a",
            "uniq a b",
            "uniq $a",
            "uniq src/*",
        ),
        *(
            "find . -delete",
            "find . -exec rm {} +",
            "find . -fprint a",
            "find . -fls a",
            "find . $a",
            "find . -files0-from a",
        ),
        *(
            "sed -i s/a/b/ c",
            "sed -n 'w a' b",
            "sed s/a/b/w c",
            "sed 's/a/b/e' c",
            "sed $a b",
            "sed -n '1p' -i a",
            "sed p *",
        ),
        *(
            "awk '{print > \"a\"}' b",
            "awk '{print | \"a\"}' b",
            "awk -i inplace '{print}' a",
            "awk $a b",
            "awk 1 /inet/tcp/0/a/1",
        ),
        *(
            "git status",
            "git log",
            "python3 --version",
            "make -n",
            "curl a",
            "date -s a",
            "date 01010000",
            "hostname a",
            "date $a",
        ),
        *(
            "file -C -m a",
            "tree -o a",
            "rg --pre a b",
            "diff -l a b",
            "PATH=. ls",
            "./ls",
            "ls() { rm a; }; ls",
            "sudo ls",
        ),
        *(
            "ls $(rm a)",
            "cat <(touch a)",
            "xargs rm",
            "timeout 5 rm a",
            "bash -lc ls",
            "bash a",
            "sh",
            "yes | xargs touch",
            "printf -v a b",
        ),
        *(
            "exec ./a",
            "nohup ./a",
            "kill 1",
            "alias ls=rm",
            "ls; $a",
            "ls '",
            "ls \u202e",
            "cat </dev/tcp/a/1",
            "dd if=a",
            "xxd a b",
        ),
    ],
)
def test_everything_else_is_not_taken_for_it(text: str) -> None:
    assert not parse(text).only_reads


@pytest.mark.parametrize(
    "text",
    [
        *("x=' -o b'; sort a$x", 'set -- "" -o b; sort a"$@"', 'x=("" -o b); sort a"${x[@]}"', "x=' -w'; rg a b$x"),
        *("x=' -delete'; find .$x", "x=' -ewb'; sed -n p a$x", "x=' -s 0'; date +%F$x", "x='0 -s 0'; date -d $x"),
    ],
)
def test_what_may_become_an_option_when_it_runs_is_not_taken_for_reading(text: str) -> None:
    assert not parse(text).only_reads


@pytest.mark.parametrize("text", ["base64 -d a", "base64 -w 0 < a", "base32 a --decode", "awk '{print FILENAME}' a"])
def test_what_has_other_options_elsewhere_is_known_by_those_that_only_read(text: str) -> None:
    assert parse(text).only_reads


@pytest.mark.parametrize(
    "text",
    ["base64 -i a -o b", "base64 --output=b a", "awk 'BEGIN {ARGV[1] = a; ARGC = 2} 1'", "awk '{SYMTAB[a] = b}' a"],
)
def test_what_writes_on_another_system_or_opens_what_it_makes_up_is_not(text: str) -> None:
    assert not parse(text).only_reads
