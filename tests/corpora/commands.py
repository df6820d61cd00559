"""Command lines in which a denied program runs, in as many disguises as a shell knows, and honest ones without any.

Made for this project, and under its licence. In FORMS stand CMD for a command, NAME and ARGS for its two halves, HEAD
and TAIL for the halves of its name, and HEX, B64, BACKWARD and BIG for the same in other writing.
"""

import base64
from collections.abc import Iterator

DENIED = (("rm", "-f a"), ("curl", "-s a"), ("dd", "if=a"), ("shutdown", "now"))
LEAST = 300

FORMS = (
    # As they are, quoted, and with other words around.
    *("CMD", "\\NAME ARGS", "'NAME' ARGS", '"NAME" ARGS', "HEAD''TAIL ARGS", "HEAD\\TAIL ARGS", 'HEAD"TAIL" ARGS'),
    *(
        "$'NAME' ARGS",
        "$'HEX' ARGS",
        '$"NAME" ARGS',
        "/usr/bin/NAME ARGS",
        "/bin/../bin/NAME ARGS",
        "cd /usr/bin; ./NAME ARGS",
    ),
    *(
        "</dev/null CMD",
        "2>&1 CMD",
        ">/dev/null CMD",
        ">out CMD",
        "X=1 CMD",
        "X=$(true) CMD",
        "CMD > out",
        "CMD # harmless",
    ),
    *(
        "! CMD",
        "time CMD",
        "time -p CMD",
        "time -- CMD",
        "! time CMD",
        "\tCMD",
        "true;CMD",
        "(CMD)",
        "{ CMD; }",
        "( ( CMD ) )",
    ),
    # Lists, pipes, loops.
    *(
        "true && CMD",
        "false || CMD",
        "true; CMD",
        "true\nCMD",
        "true & CMD; wait",
        "CMD & wait",
        "true | CMD",
        "CMD | true",
    ),
    *(
        "true |& CMD",
        "if true; then CMD; fi",
        "if CMD; then :; fi",
        "if false; then :; else CMD; fi",
        "while CMD; do break; done",
    ),
    *(
        "if false; then :; elif CMD; then :; fi",
        "until ! CMD; do break; done",
        "for x in 1; do CMD; done",
        "for x in $(CMD); do :; done",
    ),
    *(
        "for x in NAME; do $x ARGS; done",
        "case a in b) ;; a) CMD;; esac",
        "case $(CMD) in *) :;; esac",
        "case a in $(CMD)) ;; esac",
    ),
    *("select x in a; do CMD; break; done <<< 1", "for ((;;)); do CMD; break; done", "coproc CMD; wait"),
    # Functions, aliases, and what else changes the meaning of a name.
    *(
        "f() { CMD; }; f",
        "f() ( CMD ); f",
        "function f { CMD; }; f",
        'f() { "$@"; }; f CMD',
        "f() { $1 ARGS; }; f NAME",
    ),
    *("ls() { CMD; }; ls", "cd() { CMD; }; cd /", "command_not_found_handle() { CMD; }; nosuchprogram"),
    *("shopt -s expand_aliases\nalias ls='CMD'\nls", "shopt -s expand_aliases\nBASH_ALIASES[ls]='CMD'\nls"),
    *(
        "hash -p /usr/bin/NAME ls; ls ARGS",
        'ln -s "$(command -v NAME)" ls; ./ls ARGS',
        "PATH=.:$PATH; ln -s $(command -v NAME) ls; ls ARGS",
    ),
    *('cp "$(command -v NAME)" cat; PATH=.:$PATH cat ARGS', "trap 'CMD' EXIT", "trap 'CMD' DEBUG; true"),
    # Substitutions.
    *(
        "echo $(CMD)",
        'echo "$(CMD)"',
        "echo `CMD`",
        'echo "`CMD`"',
        "echo $(echo $(CMD))",
        "echo `echo \\`CMD\\``",
        "$(CMD)",
        "`CMD`",
    ),
    *(
        "echo ${x:-$(CMD)}",
        'echo "${x:-`CMD`}"',
        "cat <(CMD)",
        "echo a > >(CMD); wait",
        "cat <<E\n$(CMD)\nE",
        "cat <<-E\n\t`CMD`\n\tE",
    ),
    *(
        'cat <<"A" <<B\n$(true)\nA\n$(CMD)\nB',
        "cat <<< $(CMD)",
        "cat < $(CMD; echo /dev/null)",
        "x=$(CMD)",
        "x=`CMD` true",
        "x=(a $(CMD))",
    ),
    *(
        "export x=$(CMD)",
        "[[ -n $(CMD) ]]",
        '[ "$(CMD)" ]',
        "echo $(cat <<E\n$(CMD)\nE\n)",
        "echo ${x/a/$(CMD)}",
        'echo "${x#$(CMD)}"',
    ),
    # Names that are made while it runs.
    *(
        "x=NAME; $x ARGS",
        "x='CMD'; $x",
        "x=TAIL; HEAD$x ARGS",
        "${x:-NAME} ARGS",
        "x=y; y=NAME; ${!x} ARGS",
        "x=zz; ${x/zz/NAME} ARGS",
    ),
    *(
        "`echo NAME` ARGS",
        "$(printf %s NAME) ARGS",
        "$(echo BACKWARD | rev) ARGS",
        "$(printf 'HEX') ARGS",
        "x=BIG; ${x,,} ARGS",
    ),
    *(
        'x=(CMD); "${x[@]}"',
        'set -- CMD; "$@"',
        "set CMD; $*",
        "IFS=_; x=NAME; $x ARGS",
        "read x <<< NAME; $x ARGS",
        "{NAME,ARGS}",
    ),
    *(
        "printf -v x %s NAME; $x ARGS",
        "declare x=NAME; $x ARGS",
        "/usr/bin/HEAD[TAIL] ARGS",
        "/usr/bi?/NAME ARGS",
        "HOME=/usr/bin; ~/NAME ARGS",
    ),
    # Shells, and what reads a script.
    *(
        "sh -c 'CMD'",
        'bash -c "CMD"',
        "bash -ec 'CMD'",
        "bash -lc 'CMD'",
        "bash -xc 'CMD'",
        "bash -c -e 'CMD'",
        "bash --norc -c 'CMD'",
    ),
    *(
        "bash -o pipefail -c 'CMD'",
        "bash +e -c 'CMD'",
        "sh -c -- 'CMD'",
        "dash -c 'CMD'",
        "/bin/bash -c 'CMD'",
        "sh -c 'sh -c \"CMD\"'",
    ),
    *(
        "bash -c '\"$@\"' _ CMD",
        "bash -c '$0 ARGS' NAME",
        "sh -c '$1 ARGS' _ NAME",
        "bash -c 'eval \"$1\"' _ 'CMD'",
        "bash -O extglob -c 'CMD'",
    ),
    *(
        "echo 'CMD' | sh",
        "sh <<< 'CMD'",
        "sh <<E\nCMD\nE",
        "sh -s <<< 'CMD'",
        "bash /dev/stdin <<< 'CMD'",
        "source /dev/stdin <<< 'CMD'",
    ),
    *(
        ". <(echo 'CMD')",
        "echo 'CMD' > s; sh s",
        "echo 'CMD' > s; . ./s",
        "printf '#!/bin/sh\\nCMD\\n' > s; chmod +x s; ./s",
    ),
    *(
        "echo B64 | base64 -d | sh",
        "exec 3<<< 'CMD'; sh <&3",
        "echo 'CMD' > s; BASH_ENV=./s bash -c true",
        "echo 'CMD' > .bashrc; HOME=. bash -ic true",
    ),
    *(
        "echo 'CMD' > s; ENV=./s sh -i </dev/null",
        "echo 'CMD' > .profile; HOME=. bash -lc true",
        "eval CMD",
        "eval 'CMD'",
        'eval "$(echo CMD)"',
    ),
    *("eval eval CMD", "eval 'x=NAME; $x ARGS'", "PS4='$(CMD)'; set -x; true", "x='$(CMD)'; echo \"${x@P}\""),
    # Wrappers.
    *(
        "env CMD",
        "env -i PATH=$PATH CMD",
        "env X=1 CMD",
        "env -u X CMD",
        "env -S 'CMD'",
        "env -S'CMD'",
        "env -vS 'CMD'",
        'env - PATH="$PATH" CMD',
    ),
    *(
        "/usr/bin/env CMD",
        "env -C / CMD",
        "env -- CMD",
        "env --split-string='CMD'",
        "command CMD",
        "command -p CMD",
        "exec CMD",
        "exec -a ls CMD",
    ),
    *(
        "builtin command CMD",
        "nohup CMD",
        "nice CMD",
        "nice -n 1 CMD",
        "nice -1 CMD",
        "timeout 5 CMD",
        "timeout -s 9 5 CMD",
        "timeout --signal=9 5 CMD",
    ),
    *(
        "stdbuf -o0 CMD",
        "setsid -w CMD",
        "ionice -c3 CMD",
        "setpriv CMD",
        "prlimit CMD",
        "chrt -b 0 CMD",
        "taskset 1 CMD",
        "flock . CMD",
        "flock . -c 'CMD'",
    ),
    *(
        "xargs NAME <<< 'ARGS'",
        "echo 'ARGS' | xargs NAME",
        "echo NAME | xargs -I% % ARGS",
        "echo x | xargs -I% CMD",
        "echo x | xargs -i CMD",
    ),
    *(
        "echo x | xargs sh -c 'CMD'",
        "echo 'CMD' | xargs -I% sh -c %",
        "echo x | xargs -n1 -P2 NAME",
        "echo CMD | xargs env",
        "xargs -a /etc/passwd NAME",
    ),
    *(
        "find . -maxdepth 0 -exec CMD \\;",
        "find . -maxdepth 0 -exec sh -c 'CMD' \\;",
        "find . -maxdepth 0 -execdir CMD ';'",
        "find . -maxdepth 0 -exec NAME {} +",
    ),
    *(
        "find . -maxdepth 0 -exec env CMD \\;",
        "x=-exec; find . -maxdepth 0 $x CMD \\;",
        "find . -maxdepth 0 -name a -o -exec CMD \\;",
    ),
    *(
        "awk 'BEGIN { system(\"CMD\") }'",
        "awk 'BEGIN { \"CMD\" | getline }'",
        "echo | sed 's/^/CMD/e'",
        "sed -n '1e CMD' /etc/passwd",
    ),
    *(
        "python3 -c 'import os; os.system(\"CMD\")'",
        "perl -e 'system(\"CMD\")'",
        "tar cf /dev/null --checkpoint=1 --checkpoint-action=exec='CMD' /etc/passwd",
    ),
    *(
        "split --filter='CMD' /etc/passwd",
        "script -qc 'CMD' /dev/null",
        "git -c alias.x='!CMD' x",
        "GIT_EXTERNAL_DIFF='CMD' git diff --no-index /etc/passwd /etc/group",
    ),
    *(
        "env nice timeout 5 sh -c 'eval \"exec CMD\"'",
        'bash -c "bash -c \\"bash -c \'CMD\'\\""',
        "make -f - <<< 'a:;CMD'",
        "busybox sh -c 'CMD'",
    ),
    # Arithmetic, which runs what stands in an index.
    *(
        "x='a[$(CMD)]'; echo $((x))",
        "x='a[$(CMD)]'; [[ $x -eq 1 ]]",
        "x='a[$(CMD)]'; (( x ))",
        "test -v 'a[$(CMD)]'",
        "x='-v a[$(CMD)]'; [ $x ]",
    ),
    *(
        "printf -v 'a[$(CMD)0]' x",
        "read 'a[$(CMD)0]' <<< 1",
        "declare -A a; unset 'a[$(CMD)]'",
        "let 'a[$(CMD)0]=1'",
        "a[$(CMD)0]=1",
    ),
    *(
        "echo ${a[$(CMD)0]}",
        "x=abc; echo ${x:$(CMD)0}",
        "echo $(( $(CMD) 1 ))",
        "echo $[ $(CMD) 1 ]",
        "declare -i x='a[$(CMD)0]'",
    ),
    *("mapfile -C 'CMD #' -c 1 x <<< a", "compgen -C 'CMD' x", "wait -p 'a[$(CMD)0]' -n & wait"),
    # Long tails, and what the eye does not see.
    *(
        "true" + "; true" * 200 + "; CMD",
        "true # " + "x" * 3000 + "\nCMD",
        "true" + " " * 2000 + ";CMD",
        "true" + "\n" * 200 + "CMD",
    ),
    *(
        "true '" + "x" * 20_000 + "'; CMD",
        "true \u202e; CMD",
        "true a\u200b; CMD",
        "true '\u2066'; CMD",
        "true\r\nCMD",
        "true \x1b[2K; CMD",
    ),
    *(
        "HEAD\\\nTAIL ARGS",
        "true &\\\n& CMD",
        "echo $\\\n(CMD)",
        'echo "$\\\n(CMD)"',
        "true '\n'; CMD",
        "true \\\n; CMD",
        'true "\\""; CMD',
        "true \\'; CMD",
    ),
    *(
        "echo '\\'; CMD",
        "echo \\\\; CMD",
        'echo "\\\\"; CMD',
        "echo a\\#b; CMD",
        "echo a#'\n'; CMD",
        "echo $'\\''; CMD",
        "echo ${x#'}'}; CMD",
    ),
    *(
        "cat <<E\nE\nCMD",
        "cat <<'E'\n'\nE\nCMD",
        "cat <<E; CMD\n'\nE",
        "cat <<E |\na\nE\nCMD",
        "true <<E \\\n; CMD\nE",
        "echo $((1)); CMD",
    ),
    # A word that becomes several, and what is expanded once more.
    *("x=' CMD'; timeout 9$x", "x='1 CMD'; nice -n $x true", "x='A CMD'; env -u $x", "x='. CMD'; env -C $x true"),
    *("x='b CMD'; exec -a $x true", "x='0 CMD'; stdbuf -o $x true", "x='1 CMD'; echo b | xargs -n $x echo"),
    *("x=' -exec CMD ;'; find .$x", "set -- '' -exec CMD ';'; find .\"$@\"", "timeout 9{,x} CMD"),
    *("echo a > a; x=' -es/.*/NAME/e'; sed -n p a$x", "x='9 1 CMD'; timeout -s $x true"),
    *(
        "printf '-va[$(CMD)]' x",
        "printf -vPS4 %s '$(CMD)'; set -x; true",
        "x=vPS4; printf -\"$x\" '$(CMD)'; set -x; true",
    ),
    *(
        "declare -a 'x=($(CMD))'",
        "readonly -a 'x=($(CMD))'",
        "a=(); declare 'a=($(CMD))'",
        "y='($(CMD))'; declare -a x=$y",
    ),
    *("y='($(CMD))'; x=(); declare x=\"$y\"", "y='($(CMD))'; declare PIPESTATUS=\"$y\""),
    *("y='($(CMD))'; f() { local -a z; local z=$y; }; f", "declare -A a; declare a='([$(CMD)]=1)'"),
    *("x='1 PS4=$(NAME)'; \\declare a=$x; set -x; true", "x='1 PS4=$(NAME)'; command declare a=$x; set -x; true"),
)

HONEST = (
    *(
        "ls -la",
        "cat notes.md",
        "grep -rn 'a b' src/*.py | head -20",
        "cd src && ls",
        "pwd; date",
        "wc -l *.md",
        "echo done > out.txt",
    ),
    *(
        "find . -name '*.py' -not -path './.git/*' | xargs grep -l main | sort",
        "sort a | uniq -c | sort -rn | head -5",
        "sed -n '1,40p' a.py",
    ),
    *(
        "awk -F: '{print $1}' /etc/passwd",
        "mkdir -p build && cp -r src build/",
        "mv a b; ls b",
        "touch a && chmod 644 a",
        "test -f a || echo none",
    ),
    *(
        'for f in *.txt; do wc -l "$f"; done',
        'while read -r line; do echo "$line"; done < a',
        "if [ -d src ]; then ls src; fi",
        "du -sh .",
    ),
    *(
        "cat > a.txt <<'E'\nsome $(rm text) here\nE",
        "echo 'run rm -rf / now'",
        "grep -n 'curl' notes.md",
        "timeout 10 cat a",
        "diff -u a b | head",
    ),
    *(
        'x=$(date +%F); echo "$x"',
        "set -euo pipefail; ls",
        "sha256sum a b",
        "stat -c %s a",
        "tail -n 5 a 2>/dev/null",
        "head -c 100 a | od -c",
    ),
    *(
        "printf '%s\\n' a b",
        "env | sort",
        "command -v bash",
        "tree -L 2",
        "jq .name package.json",
        "ls $HOME",
        "tr a-z A-Z < a",
        "basename /a/b",
    ),
)


def lines() -> Iterator[tuple[str, str]]:
    """Each line, with the denied program that it is to run; every fifth form with two of them."""
    seen = set()
    for number, form in enumerate(FORMS):
        for name, arguments in (DENIED[number % 4], DENIED[(number + 1) % 4])[: 1 + (number % 5 == 0)]:
            line = _filled(form, name, arguments)
            if line not in seen:
                seen.add(line)
                yield line, name


def _filled(form: str, name: str, arguments: str) -> str:
    command = f"{name} {arguments}"
    filling = {
        "BACKWARD": name[::-1],
        "HEAD": name[:1],
        "TAIL": name[1:],
        "NAME": name,
        "ARGS": arguments,
        "CMD": command,
        "HEX": "".join(f"\\x{ord(letter):02x}" for letter in name),
        "B64": base64.b64encode(command.encode()).decode(),
        "BIG": name.upper(),
    }
    for mark, text in filling.items():
        form = form.replace(mark, text)
    return form
