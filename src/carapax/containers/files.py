"""Reads, writes and lists files of a workspace in a container, by a script that runs there as commands do.

It has a command's rights and no more, in a container of which nothing else uses just then. A link that leads out of the
workspace is refused; what could be gained by turning one around at the right moment is a file of the image, which every
command may read.
"""

import errno
import heapq
import os
import posixpath
import re
import secrets
from collections.abc import Iterator
from typing import Literal

from carapax.containers.container import WORKSPACE
from carapax.contracts import Entry
from carapax.errors import InvalidRequest, Unavailable
from carapax.workspace import relative, told

TIMEOUT_S = 60.0
LISTING_BYTES = 64 << 20
_ERRORS = 60  # an exit code from there on is this and the number of the system's error
_DEEPEST = 100
_LONGEST_NAME = 255  # bytes

# Arguments: what to do, a path, and a number or a name. Errors of programs are dropped, exit codes tell them. `find`
# ends with 1 where there was a folder it may not read, or something went away meanwhile: that is left out.
_SCRIPT = f"""
exec 2>/dev/null
LC_ALL=C
fail() {{ [ "$do" != write ] && [ "$do" != append ] || head -c "$size" >/dev/null; exit $(({_ERRORS} + $1)); }}
refused() {{ # why a path leads nowhere: something on the way is missing, or no folder
  way=$1
  while [ ! -e "$way" ] && [ "$way" != "${{way%/*}}" ]; do [ ! -L "$way" ] || break; way=${{way%/*}}; done
  [ ! -L "$way" ] || [ -e "$way" ] || fail {errno.ENOENT}
  [ ! -e "$way" ] || [ -d "$way" ] || fail {errno.ENOTDIR}
  fail {errno.ENOENT}
}}
lead() {{ # sets $to to where a path leads in the end
  to=$(readlink -f -- "$1" && echo .) || refused "$1"
  to=${{to%??}}
  case $to in "{WORKSPACE}" | "{WORKSPACE}"/*) ;; *) fail {errno.EXDEV} ;; esac
}}
place() {{ # sets $to to where a file is to be written; the folders that lead there are made
  above=${{1%/*}}
  [ "$above" != "$1" ] || above=.
  if [ ! -d "$above" ]; then
    near=$above
    while [ ! -e "$near" ] && [ ! -L "$near" ]; do case $near in */*) near=${{near%/*}} ;; *) near=. ;; esac; done
    lead "$near"
    [ -d "$near" ] || fail {errno.ENOTDIR}
    mkdir -p -- "$above" || fail {errno.EACCES}
  fi
  lead "$above"
  to=$to/${{1##*/}}
  [ ! -L "$to" ] || lead "$to"
  [ ! -d "$to" ] || fail {errno.EISDIR}
  [ ! -e "$to" ] || [ -f "$to" ] || fail {errno.ENXIO}
}}
do=$1 path=./$2 size=$3
case $do in
read)
  lead "$path"
  [ -e "$to" ] || fail {errno.ENOENT}
  [ -f "$to" ] || fail {errno.EISDIR}
  head -c "$size" < "$to" || fail {errno.EACCES} ;;
append)
  place "$path"
  head -c "$size" >> "$to" || fail {errno.EACCES} ;;
write)
  place "$path"
  new=${{to%/*}}/$4 mode=644
  [ ! -e "$to" ] || mode=$(stat -c %a "$to")
  case $mode in ????) mode=${{mode#?}} ;; esac
  (umask 077; : > "$new") || fail {errno.EACCES}
  head -c "$size" > "$new" && [ "$(stat -c %s "$new")" = "$size" ] && sync "$new" && chmod "$mode" "$new" \\
    && mv -f "$new" "$to" || {{ rm -f "$new"; exit {_ERRORS + errno.ENOSPC}; }} ;;
list)
  lead "$path"
  [ -e "$to" ] || fail {errno.ENOENT}
  [ -d "$to" ] || fail {errno.ENOTDIR}
  cd "$to" || fail {errno.EACCES}
  find . -mindepth 1 -maxdepth "$size" -exec sh -c '
    printf "%s\\0" "$@"; printf "\\0"; stat -c "%f %s %n" -- "$@"; printf "\\0"' sh {{}} + || [ $? = 1 ] ;;
esac
"""
_Kind = Literal["file", "folder", "link", "other"]
_KINDS: dict[int, _Kind] = {0o100000: "file", 0o040000: "folder", 0o120000: "link"}
_STATUS = re.compile(rb"([0-9a-f]+) ([0-9]+) ")


def reading(path: str, max_bytes: int) -> list[str]:
    """The command that says what a file holds, up to one byte more."""
    return _command("read", path, max_bytes + 1)


def writing(path: str, size: int, *, append: bool) -> list[str]:
    """The command that writes so many bytes of its standard input."""
    if posixpath.basename(_beneath(path)) in ("", ".", ".."):
        raise InvalidRequest(f"{path!r} is the name of a folder, not of a file")
    return [*_command("append" if append else "write", path, size), f".carapax-{secrets.token_hex(8)}.tmp"]


def listing(path: str, *, recursive: bool) -> list[str]:
    """The command that says what is below a folder, for `entries`."""
    return _command("list", path, _DEEPEST if recursive else 1)


def refuse(exit_code: int, path: str) -> None:
    """Raise what an exit code of these commands says."""
    if exit_code >= _ERRORS:
        number = exit_code - _ERRORS
        raise told(OSError(number, os.strerror(number)), path)
    if exit_code:
        raise Unavailable(
            f"{path!r}: the container's programs failed with {exit_code}",
            "its image needs sh, cat, chmod, find, head, mkdir, mv, readlink, rm, stat and sync",
        )


def entries(said: bytes, path: str, max_entries: int) -> list[Entry]:
    """What `listing` said, in order of the paths, a folder before what it holds."""
    above = posixpath.normpath(relative(path, WORKSPACE))
    prefix = "" if above == "." else above + "/"
    return heapq.nsmallest(max_entries, _parsed(said, prefix), key=lambda entry: entry.path.split("/"))


def _command(do: str, path: str, size: int) -> list[str]:
    return ["/bin/sh", "-c", _SCRIPT, "sh", do, _beneath(path), str(size)]


def _beneath(path: str) -> str:
    """The path relative to the workspace, where it does not lead out by its own words."""
    try:
        name = relative(path, WORKSPACE)
        if posixpath.normpath(name).split("/")[0] == "..":
            raise OSError(errno.EXDEV, "outside")
    except OSError as error:
        raise told(error, path) from error
    if name.count("/") > _DEEPEST:
        raise InvalidRequest(f"the path has more than {_DEEPEST} folders")
    if any(len(part.encode()) > _LONGEST_NAME for part in name.split("/")):
        raise told(OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)), path)
    return name


def _parsed(said: bytes, prefix: str) -> Iterator[Entry]:
    """Batches of names, each batch followed by a line for every name that was still there."""
    place = 0
    while place < len(said):
        middle = said.index(b"\0\0", place)
        end = said.index(b"\0", middle + 2)
        lines, at = said[middle + 2 : end], 0
        for name in said[place:middle].split(b"\0"):
            found = _STATUS.match(lines, at)
            if found and lines.startswith(name + b"\n", found.end()):
                at = found.end() + len(name) + 1
                kind: _Kind = _KINDS.get(int(found[1], 16) & 0o170000, "other")
                shown = prefix + name.removeprefix(b"./").decode(errors="replace")
                yield Entry(shown, kind, int(found[2]) if kind == "file" else 0)
        place = end + 1
