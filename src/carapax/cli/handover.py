"""Which version of Carapax runs: the one that was installed, or one that `carapax update` put beside the data.

Read at every start, before anything else is imported.
"""

import os
import sys

LAUNCHER = "CARAPAX_LAUNCHER"
"""The variable that names the interpreter of the installed version, for the one it handed over to."""
STAY = "CARAPAX_STAY"
"""The variable with which the installed version does not hand over."""
_FOLDERS = ("--home", "--config-dir", "--data-dir")


def chosen(versions: str) -> tuple[str, str, str]:
    """The version that was chosen, the installed one that it was chosen over, and the one before it; each may be empty.
    `versions` is the folder of the versions. What others can write is not believed."""
    file = os.path.join(versions, "current")
    try:
        state = os.stat(file)
        with open(file, encoding="ascii") as stream:
            lines = stream.read(1000).split("\n")
    except (OSError, ValueError):
        return "", "", ""
    if state.st_uid not in (0, os.getuid()) or state.st_mode & 0o022 or len(lines) < 3:
        return "", "", ""
    return lines[0], lines[1], lines[2]


def python_of(versions: str, version: str) -> str:
    """The interpreter of a version."""
    return os.path.join(versions, version, "bin", "python")


def hand_over(installed: str, arguments: list[str]) -> None:
    """Go on as the version that was chosen, if it is another one; then this does not return. The installed version
    itself updates, so that a new one that is broken can be left again."""
    data, command = _read(arguments)
    versions = os.path.join(data, "versions")
    version, over, _ = chosen(versions)
    stays = STAY in os.environ or command == "update" or _is_within(versions)
    if stays or version in ("", installed) or over != installed:
        return
    python = python_of(versions, version)
    try:
        os.execve(python, [python, "-m", "carapax", *arguments], {**os.environ, LAUNCHER: sys.executable})
    except OSError as error:
        print(f"carapax {version} cannot be started ({error.strerror}); this is {installed}", file=sys.stderr)


def _read(arguments: list[str]) -> tuple[str, str]:
    """The folder of the data, and the command, as the command line and the environment say."""
    folders: dict[str, str] = {}
    command = ""
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in _FOLDERS:
            folders[name] = value if equals else next(rest, "")
        elif not command and not argument.startswith("-"):
            command = argument
    base = folders.get("--home") or os.environ.get("CARAPAX_HOME") or os.path.expanduser("~/.carapax")
    return os.path.abspath(folders.get("--data-dir") or os.path.join(base, "data")), command


def _is_within(versions: str) -> bool:
    return os.path.realpath(sys.prefix).startswith(os.path.realpath(versions) + os.sep)
