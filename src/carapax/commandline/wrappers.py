"""Commands that start others: what they would start, read off their words."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct

from carapax.commandline.words import Unclear, Word

Told = Sequence[Word]


class Started(Struct, frozen=True):
    """What a command starts: other commands, and scripts of a shell.

    sees_through: whether it does nothing of its own
    hidden: what else it starts that nobody can see in it; empty when nothing
    sets: variables that it sets
    arrays: whether it makes them arrays
    """

    commands: tuple[tuple[Word, ...], ...] = ()
    scripts: tuple[str, ...] = ()
    sees_through: bool = True
    hidden: str = ""
    sets: tuple[str, ...] = ()
    arrays: bool = False


class _Options(NamedTuple):
    """Options that take no value, and those that do, by letters and by their long names; and how many operands stand
    before what is started."""

    flags: str = ""
    valued: str = ""
    long: tuple[str, ...] = ()
    long_valued: tuple[str, ...] = ()
    operands: int = 0


_PLAIN = {
    "builtin": _Options(),
    "command": _Options("p"),
    "exec": _Options("cl", "a"),
    "ionice": _Options("t", "cn", ("ignore",), ("class", "classdata")),
    "nice": _Options("0123456789", "n", (), ("adjustment",)),
    "nohup": _Options(),
    "setsid": _Options("cfw", "", ("ctty", "fork", "wait")),
    "stdbuf": _Options("", "ioe", (), ("input", "output", "error")),
    "time": _Options("pvaq", "f", ("portability", "verbose", "quiet"), ("format",)),
    "timeout": _Options("vfp", "ks", ("foreground", "preserve-status", "verbose"), ("kill-after", "signal"), 1),
}
_SUDO = _Options("AbEHknPS", "ugpUCThrRD", ("preserve-env", "non-interactive", "set-home"), ("user", "group", "chdir"))
_DOAS = _Options("n", "u")
_WATCH = _Options("bcdegtwx", "n", ("beep", "color", "differences", "no-title", "exec"), ("interval",))
_XARGS = _Options(
    "0rtpxo",
    "nPLdEsa",
    ("null", "no-run-if-empty", "verbose", "interactive", "exit", "open-tty"),
    ("max-args", "max-procs", "max-lines", "delimiter", "max-chars", "arg-file"),
)
_ENV_SPLIT = re.compile(r"[\w@%+=:,./ -]*", re.A)
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:=|\Z)")
_SHELL_OPTIONS = frozenset(("errexit", "nounset", "pipefail", "xtrace", "noglob", "noclobber"))
_TERMINALS = frozenset(("-exec", "-execdir", "-ok", "-okdir"))


def started(name: str, words: Told) -> Started | None:
    """What the program `name`, told all of `words` but the first, would start; None for one that is no wrapper.

    Raises Unclear when that is only known when it runs.
    """
    if options := _PLAIN.get(name):
        return _plain(name, words, options)
    look = _LOOKS.get(name)
    return look(words) if look else None


def _operand(words: Told, options: _Options, start: int = 1) -> tuple[int, set[str]]:
    """Where the first operand stands, and the options before it. Raises Unclear."""
    at, seen = start, set[str]()
    while at < len(words):
        word = words[at]
        text = word.text
        if word.open and word.may_begin("-"):
            raise Unclear(f"an option of {words[0]} is only known when it runs")
        if text == "--":
            return at + 1, seen
        if not text.startswith("-") or text == "-":
            return at, seen
        valued = _option(words[0], text, options, seen)
        _check_value(words, at + valued)
        at += 1 + valued
    return at, seen


def _check_value(words: Told, at: int) -> None:
    """Raises Unclear for a value that may be more than one word: what it holds besides would be started."""
    if at < len(words) and not words[at].is_one:
        raise Unclear(f"what {words[0]} starts is only known when it runs")


def _option(program: Word, text: str, options: _Options, seen: set[str]) -> int:
    """How many words the value of an option takes up. Raises Unclear for an option that is not known."""
    if text.startswith("--"):
        name, equals, _ = text[2:].partition("=")
        seen.add(name)
        if name in options.long_valued:
            return 0 if equals else 1
        if name in options.long:
            return 0
        raise Unclear(f"{program} has an option that is not known: {text}")
    for index, letter in enumerate(text[1:], 2):
        seen.add(letter)
        if letter in options.valued:
            return 0 if text[index:] else 1
        if letter not in options.flags:
            raise Unclear(f"{program} has an option that is not known: {text}")
    return 0


def _plain(name: str, words: Told, options: _Options) -> Started:
    if name == "command" and len(words) > 1 and words[1].text in ("-v", "-V") and not words[1].open:
        return Started(sees_through=False)
    at, _ = _operand(words, options)
    if any(word.open and (not word.is_one or word.may_begin("-")) for word in words[at : at + options.operands]):
        raise Unclear(f"an option of {words[0]} is only known when it runs")
    rest = tuple(words[at + options.operands :])
    return Started((rest,)) if rest else Started(sees_through=False)


def _env(words: Told) -> Started:
    rest = list(words[1:])
    sets: list[str] = []
    while rest:
        word = rest[0]
        text = word.text
        if variable := _VARIABLE.match(text):
            if "=" not in text[: variable.end()]:
                break
            sets.append(_assigned(word))
            rest.pop(0)
        elif word.open and text[:1] in ("", "-"):
            raise Unclear("what env starts is only known when it runs")
        elif text.startswith("-"):
            rest = _env_option(rest)
        else:
            break
    return Started((tuple(rest),), sets=tuple(sets)) if rest else Started(sees_through=False, sets=tuple(sets))


def _env_option(words: list[Word]) -> list[Word]:
    """What is left of env's words after an option."""
    text = words[0].text
    if text in ("-", "-i", "-0", "-v", "--", "--ignore-environment", "--null", "--debug"):
        return words[1:]
    if text in ("-u", "-C", "--unset", "--chdir"):
        _check_value(words, 1)
        return words[2:]
    if text.startswith(("--unset=", "--chdir=", "-u", "-C")):
        return words[1:]
    flag = re.match("-[iv0]*S|--split-string=?", text)
    if flag is None:
        raise Unclear(f"env has an option that is not known: {text}")
    value = text[flag.end() :]
    if not value and len(words) > 1 and not text.endswith("="):
        value, words = words[1].text if not words[1].open else "$", words[1:]
    if not _ENV_SPLIT.fullmatch(value):
        raise Unclear("what env splits into words is hard to read")
    return [*map(Word, value.split()), *words[1:]]


def _xargs(words: Told) -> Started:
    rest = list(words)
    replaced = ""
    at = 1
    while at < len(rest) and not rest[at].open and (found := re.match(r"-[0rtpxo]*I|-i|--replace", rest[at].text)):
        attached = rest[at].text[found.end() :].removeprefix("=")
        if attached or not found[0].endswith("I"):
            replaced = attached or "{}"
            at += 1
        elif at + 1 < len(rest) and not rest[at + 1].open:
            replaced = rest[at + 1].text
            at += 2
        else:
            raise Unclear("what xargs puts where is only known when it runs")
    at, _ = _operand(rest, _XARGS, at)
    command = tuple(rest[at:]) or (Word("echo"),)
    if replaced:
        return Started((tuple(_filled(word, replaced) for word in command),))
    return Started(((*command, Word("", "any")),))


def _filled(word: Word, mark: str) -> Word:
    before, found, _ = word.text.partition(mark)
    return Word(before, "one") if found else word


def _find(words: Told) -> Started:
    commands: list[tuple[Word, ...]] = []
    at = 1
    while at < len(words):
        word = words[at]
        if word.open and word.may_begin("-(!"):
            raise Unclear("what find does is only known when it runs")
        at += 1
        if word.text in _TERMINALS:
            end = at
            while end < len(words) and not _ends_exec(words, end):
                end += 1
            if end == at or end == len(words):
                raise Unclear(f"what follows {word} of find has no end")
            many = words[end].text == "+"
            commands.append(tuple(_found(item, many=many) for item in words[at:end]))
            at = end + 1
    return Started(tuple(commands), sees_through=False)


def _found(word: Word, *, many: bool) -> Word:
    before, found, _ = word.text.partition("{}")
    return Word(before, "some" if many else "one") if found else word


def _ends_exec(words: Told, at: int) -> bool:
    if words[at].open:
        raise Unclear("what find starts is only known when it runs")
    return words[at].text == ";" or (words[at].text == "+" and words[at - 1].text == "{}")


def _shell(words: Told) -> Started:
    at, letters = 1, ""
    while at < len(words):
        text = words[at].text
        if words[at].open and text[:1] in ("", "-", "+"):
            raise Unclear(f"what {words[0]} runs is only known when it runs")
        if re.fullmatch(r"[-+][celiuxfv]*o?", text) and len(text) > 1:
            letters += text
            if text.endswith("o"):
                at += 1
                if at == len(words) or words[at].text not in _SHELL_OPTIONS:
                    raise Unclear(f"{words[0]} has an option that is not known: {text}")
        elif text not in ("--norc", "--noprofile"):
            break
        at += 1
    return _shell_script(words, at, letters)


def _shell_script(words: Told, at: int, letters: str) -> Started:
    """What a shell runs, with its first word that is no known option at `at`."""
    text = words[at].text if at < len(words) else ""
    if text in ("--version", "--help") and len(words) == 2:
        return Started(sees_through=False)
    if text == "--":
        at += 1
    elif text[:1] in ("-", "+") and text:
        raise Unclear(f"{words[0]} has an option that is not known: {text}")
    if "c" not in letters or at >= len(words):
        return Started(sees_through=False, hidden="it runs a script that is not in the command line")
    if words[at].open:
        raise Unclear(f"what {words[0]} runs is only known when it runs")
    reads = "it reads start files" if "l" in letters or "i" in letters else ""
    return Started(scripts=(words[at].text,), sees_through=not reads, hidden=reads)


def _other_shell(words: Told) -> Started:
    found = _shell(words)
    return Started(scripts=found.scripts, sees_through=False, hidden="its language is not quite that of sh")


def _eval(words: Told) -> Started:
    rest = words[2:] if len(words) > 1 and words[1].text == "--" else words[1:]
    if any(word.open for word in rest):
        raise Unclear("what eval runs is only known when it runs")
    return Started(scripts=(" ".join(word.text for word in rest),))


def _trap(words: Told) -> Started:
    if len(words) < 2 or (words[1].text in ("-", "-p", "-l") and not words[1].open):
        return Started(sees_through=False)
    if words[1].open or words[1].text.startswith("-"):
        raise Unclear("what trap runs is only known when it runs")
    return Started(scripts=(words[1].text,))


def _sudo(words: Told) -> Started:
    return _as_another(words, _DOAS if words[0].text.endswith("doas") else _SUDO)


def _as_another(words: Told, options: _Options) -> Started:
    at, _ = _operand(words, options)
    env = _env([Word("env"), *words[at:]]) if at < len(words) and not words[at].text.startswith("-") else Started()
    hidden = "" if env.commands else "it starts a shell"
    return Started(env.commands, sees_through=False, hidden=hidden, sets=env.sets)


def _su(words: Told) -> Started:
    for at, word in enumerate(words[1:-1], 1):
        if word.text in ("-c", "--command") and not word.open and not words[at + 1].open:
            return Started(scripts=(words[at + 1].text,), sees_through=False, hidden="it reads start files")
    return Started(sees_through=False, hidden="it starts a shell")


def _watch(words: Told) -> Started:
    at, seen = _operand(words, _WATCH)
    rest = tuple(words[at:])
    if any(word.open for word in rest):
        raise Unclear("what watch runs is only known when it runs")
    if seen & {"x", "exec"}:
        return Started((rest,)) if rest else Started()
    return Started(scripts=(" ".join(word.text for word in rest),))


def _box(words: Told) -> Started:
    if len(words) < 2 or (words[1].text.startswith("-") and not words[1].open):
        return Started(sees_through=False)
    return Started((tuple(words[1:]),))


def _file(words: Told) -> Started:
    return Started(sees_through=False, hidden="it runs a script that is not in the command line")


def _sets(words: Told) -> Started:
    """`declare` and its like: words that are names, or set them."""
    rest = [word for word in words[1:] if word.text not in ("-a", "-A", "-r", "-g", "-p", "-x") or word.open]
    names = [_VARIABLE.match(word.text) for word in rest]
    for word, name in zip(rest, names, strict=True):
        if name is None or word.open == "any" or (word.open and "=" not in name[0]):
            raise Unclear(f"what {words[0]} sets is hard to read")
    arrays = any(word.text in ("-a", "-A") for word in words)
    if words[0].text != "export" and not any(word.text == "-x" for word in words):
        return Started(sees_through=False, sets=tuple(name[1] for name in names if name), arrays=arrays)
    exported = (_assigned(word) if "=" in word.text else f"{word.text}=" for word in rest)
    return Started(sees_through=False, sets=tuple(exported), arrays=arrays)


def _assigned(word: Word) -> str:
    """An assignment, with a null character for what nobody knows of its value."""
    return word.text + ("\0" if word.open else "")


def _names(words: Told) -> Started:
    """`unset` and `read`: names of variables."""
    if words[0].text == "unset":
        at = 2 if len(words) > 1 and words[1].text in ("-f", "-v") else 1
    else:
        at, _ = _operand(words, _Options("rs", "pntdu"))
    if not all(not word.open and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", word.text) for word in words[at:]):
        raise Unclear(f"which variables {words[0]} is about is hard to read")
    return Started(sees_through=False, sets=tuple(word.text for word in words[at:]))


def _tests(words: Told) -> Started:
    """`test`, which as `-v` looks into arrays, where an index may run commands."""
    for word, following in zip(words[1:], [*words[2:], Word("")], strict=False):
        dynamic = following.open or "[" in following.text
        if word.open == "any" or (word.open and dynamic) or (word.text in ("-v", "-R") and not word.open):
            raise Unclear("what is tested can run commands")
    return Started(sees_through=False)


def _printf(words: Told) -> Started:
    first = words[1] if len(words) > 1 else Word("--")
    may_be_option = first.open == "any" or (len(words) > 2 and first.may_begin("-"))
    if may_be_option and first not in (Word("-"), Word("--")):
        raise Unclear("which variable printf sets is hard to read")
    return Started(sees_through=False)


def _set(words: Told) -> Started:
    at = 1
    while at < len(words) and words[at].text[:1] in ("-", "+", ""):
        text = words[at].text
        if words[at].open or not text:
            raise Unclear("which options set changes is only known when it runs")
        if text == "--":
            break
        if re.fullmatch("[-+][euxf]*o", text) and at + 1 < len(words) and words[at + 1].text in _SHELL_OPTIONS:
            at += 1
        elif not re.fullmatch("[-+][euxf]+", text):
            raise Unclear("set changes an option that changes what commands mean")
        at += 1
    return Started(sees_through=False)


def _waits(words: Told) -> Started:
    if any(word.open or word.text.startswith("-") for word in words[1:]):
        raise Unclear(f"{words[0]} has options that can run commands")
    return Started(sees_through=False)


def _changes(words: Told) -> Started:
    raise Unclear(f"{words[0]} changes what commands mean")


_LOOKS: dict[str, Callable[[Told], Started]] = {
    "env": _env,
    "xargs": _xargs,
    "find": _find,
    "eval": _eval,
    "trap": _trap,
    "sudo": _sudo,
    "doas": _sudo,
    "su": _su,
    "watch": _watch,
    "set": _set,
    "printf": _printf,
    **dict.fromkeys(("sh", "bash", "dash", "ash"), _shell),
    **dict.fromkeys(("zsh", "ksh", "mksh", "rbash", "yash"), _other_shell),
    **dict.fromkeys(("busybox", "toybox"), _box),
    **dict.fromkeys((".", "source"), _file),
    **dict.fromkeys(("declare", "typeset", "local", "readonly", "export"), _sets),
    **dict.fromkeys(("unset", "read"), _names),
    **dict.fromkeys(("test", "["), _tests),
    **dict.fromkeys(("wait", "jobs"), _waits),
    **dict.fromkeys(
        (
            *("alias", "unalias", "enable", "hash", "bind", "complete", "compgen", "compopt", "fc", "history", "let"),
            *("shopt", "mapfile", "readarray", "getopts"),
        ),
        _changes,
    ),
}
