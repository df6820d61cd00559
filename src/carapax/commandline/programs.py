"""What is known of programs: which start no others, and which only read, whatever they are told or told so.

The tables name what is known for sure. A program that is missing may do anything.
"""

import re
from collections.abc import Callable, Sequence

from carapax.commandline.words import Word

Told = Sequence[Word]

_FOLDERS = frozenset(("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"))
_NAME = re.compile(r"[A-Za-z0-9_.+:@%,\-\[]+")


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Read, and tell what they read, whatever they are told.
_READING = _names(
    "[ [[ : arch b2sum basename break cat cd cksum cmp comm continue cut df dir dirname du echo egrep"
    " exit expand expr factor false fgrep fmt fold free grep groups head hexdump hostid id join jq logname ls md5sum nl"
    " nproc numfmt od paste pathchk pgrep printenv printf ps pwd readlink realpath return rev seq sha1sum sha224sum"
    " sha256sum sha384sum sha512sum shift sleep stat strings sum tac tail test tr true tsort tty type uname unexpand"
    " uptime users vdir wc which who whoami"
    # Of the shell itself, as far as they are not looked into elsewhere.
    " command declare env export local read readonly set typeset unset wait"
)
# Start no other program, whatever they are told.
_ALONE = _READING | _names(
    "chgrp chmod chown cp curl date dd file halt hostname jobs kill killall link ln local mkdir mkfifo mknod mktemp mv"
    " pkill poweroff reboot rm rmdir shred shuf shutdown sync tee touch tree truncate umask uniq unlink unset unzip"
    " base32 base64 yes"
)
_DATE = re.compile(r"\+.*|-[uR]+|-I\w*|-d.+|--(utc|universal|iso-8601(=\w+)?|rfc-3339=\w+|rfc-email|date=.*)", re.S)
_SORT = re.compile(
    r"-[bdfghiMnRrVcCmsuz]+|-k[0-9.,bdfginrMRV]+|-t.{1,2}"
    r"|--(reverse|numeric-sort|human-numeric-sort|version-sort|unique|ignore-case|zero-terminated|stable|check)"
)
_UNIQ = re.compile(r"-[cdDiuz]+|-[fsw][0-9]+|--(count|repeated|unique|ignore-case)")
_RG = re.compile(
    r"-[acFHhIiLlNnoPSsUuvwx]+|-[ABCmgteTjdEMr].+"
    r"|--(files|hidden|no-ignore|json|count|files-with-matches|line-number|no-heading|fixed-strings|ignore-case"
    r"|(glob|type|color|max-count|context|max-depth|sort)=.+)"
)
_TREE = re.compile(r"-[adfhipsugDFCNQ]+|--(dirsfirst|noreport|du|prune|filesfirst)")
_DIFF = re.compile(
    r"-[abBcdeEiNpqrstuwy]+|-[uUC][0-9]+|--(brief|recursive|unified(=[0-9]+)?|color=\w+|ignore-\w[\w-]*)"
)
_FILE = re.compile(r"-[bhiLkrs0]+|--(brief|mime|mime-type|mime-encoding|dereference)")
_AWK = re.compile(r"-F.+|-v\w+=.*")
_AWK_UNSAFE = re.compile(r"[|>@`]|\b(system|getline|ARGV|SYMTAB)\b")
_BASE = re.compile(r"-[dD]|-w[0-9]+|--(decode|wrap=[0-9]+)")
_ADDRESS = r"(?:[0-9]+|\$|/[^/\\\n]*/)"
_SED_STEP = (
    rf"(?:{_ADDRESS}(?:,(?:\+?[0-9]+|\$|/[^/\\\n]*/))?)?[ ]?(?:!?[pdq=]"
    r"|s/[^/\\\n]*/[^/\\\n]*/[gpI0-9]*|s\|[^|\\\n]*\|[^|\\\n]*\|[gpI0-9]*|s#[^#\\\n]*#[^#\\\n]*#[gpI0-9]*)"
)
_SED = re.compile(rf"{_SED_STEP}(?:[ ]*;[ ]*{_SED_STEP})*[ ]*;?")
_FIND = _names(
    "-H -L -P ! ( ) , -a -and -not -o -or -daystart -depth -empty -executable -false -follow -ls -mount -noleaf -nouser"
    " -nogroup -print -print0 -prune -quit -readable -true -writable -xdev"
)
_FIND_VALUED = _names(
    "-amin -anewer -atime -cmin -cnewer -ctime -fstype -gid -group -ilname -iname -inum -ipath -iregex -iwholename"
    " -links -lname -maxdepth -mindepth -mmin -mtime -name -newer -newermt -path -perm -printf -regex -regextype"
    " -samefile -size -type -uid -user -used -wholename -xtype"
)


def program(word: Word) -> str:
    """The name of the program that a word at the beginning of a command names, without the folder of a system's
    programs; empty when it is none of the system's, or hard to tell."""
    folder, slash, name = word.text.rpartition("/")
    if word.open or not _NAME.fullmatch(name) or (slash and folder not in _FOLDERS):
        return ""
    return name


def starts_no_other(name: str, told: Told) -> bool:
    """Whether a program, told so, is known to start no program."""
    return name in _ALONE or (name == "sed" and _is_plain_sed(told, in_place=True)) or only_reads(name, told)


def only_reads(name: str, told: Told) -> bool:
    """Whether a program, told so, is known to do nothing but read, and to write to its output."""
    if name in _READING:
        return True
    look = _LOOKS.get(name)
    return look is not None and look(told)


def _operands(told: Told, option: re.Pattern[str], valued: frozenset[str] = frozenset()) -> list[Word] | None:
    """What is no option; None when an option is not one of these, or only known when it runs."""
    found: list[Word] = []
    rest = iter(told)
    for word in rest:
        if word.open and word.may_begin("-"):
            return None
        if word.text == "--" and not word.open:
            found += rest
        elif not word.text.startswith("-") or word.text == "-":
            found.append(word)
        elif word.text in valued:
            value = next(rest, None)
            if value is None or not value.is_one:
                return None
        elif not option.fullmatch(word.text):
            return None
    return found


def _takes(option: re.Pattern[str], valued: str = "", most: int = 1_000_000) -> Callable[[Told], bool]:
    """Looks for options that are all of these, and at most so many operands."""
    known = frozenset(valued.split())

    def look(told: Told) -> bool:
        operands = _operands(told, option, known)
        few = operands is not None and len(operands) <= most
        return few and (most >= 1_000_000 or all(word.is_one for word in operands or ()))

    return look


def _dates(told: Told) -> bool:
    rest = iter(told)
    for word in rest:
        if word.text == "-d" and not word.open:
            value = next(rest, None)
            if value is not None and not value.is_one:
                return False
        elif word.open == "any" or not _DATE.fullmatch(word.text):
            return False
    return not any(word.open and word.text[:1] not in ("+", "") for word in told) and _opens_only_after_d(told)


def _opens_only_after_d(told: Told) -> bool:
    return all(not word.open or (index and told[index - 1].text == "-d") for index, word in enumerate(told))


def _finds(told: Told) -> bool:
    rest = iter(told)
    for word in rest:
        if word.open and word.may_begin("-(!,"):
            return False
        if word.text in _FIND_VALUED:
            value = next(rest, None)
            if value is None or not value.is_one:
                return False
        elif word.text[:1] == "-" and word.text not in _FIND:
            return False
    return True


def _is_plain_sed(told: Told, *, in_place: bool = False) -> bool:
    """Whether the script of sed has only steps that print, leave out, or put text in place of text."""
    options = frozenset(("-n", "-E", "-r", "-nE", "-En", "-nr", *(("-i",) if in_place else ())))
    rest = list(told)
    while rest and rest[0].text in options and not rest[0].open:
        rest.pop(0)
    scripts: list[Word] = []
    while len(rest) > 1 and rest[0].text == "-e" and not rest[0].open:
        scripts.append(rest[1])
        rest = rest[2:]
    if not scripts and rest:
        scripts.append(rest.pop(0))
    files = not any(word.may_begin("-") for word in rest)
    return bool(scripts) and files and all(not word.open and _SED.fullmatch(word.text) for word in scripts)


def _awks(told: Told) -> bool:
    operands = _operands(told, _AWK, frozenset(("-F", "-v")))
    if not operands or operands[0].open or _AWK_UNSAFE.search(operands[0].text):
        return False
    return not any(word.text.startswith("/i") or (word.open and "/" not in word.text[1:]) for word in operands[1:])


def _hosts(told: Told) -> bool:
    return not told


_LOOKS: dict[str, Callable[[Told], bool]] = {
    "awk": _awks,
    "base32": _takes(_BASE, "-w"),
    "base64": _takes(_BASE, "-w"),
    "date": _dates,
    "diff": _takes(_DIFF),
    "file": _takes(_FILE),
    "find": _finds,
    "hostname": _hosts,
    "rg": _takes(_RG, "-e -g -t -A -B -C -m"),
    "sed": _is_plain_sed,
    "sort": _takes(_SORT, "-k -t"),
    "tree": _takes(_TREE, "-L -I -P"),
    "uniq": _takes(_UNIQ, "-f -s -w", most=1),
}
