#!/usr/bin/env python3
"""A systemctl, journalctl, loginctl and launchctl that remember what they were told, by whatever name they are called.

They keep what they know in the folder that FAKE_SUPERVISOR names: `calls`, one line each; `active`, the names of what
runs; `refuse`, words of which a call that has them fails.
"""

import os
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("FAKE_SUPERVISOR", ""))


def main(name: str, words: list[str]) -> int:
    with (FOLDER / "calls").open("a") as calls:
        calls.write(" ".join([name, *words]) + "\n")
    refused = (FOLDER / "refuse").read_text().split() if (FOLDER / "refuse").exists() else []
    if any(word in refused for word in words):
        print("it does not want to", file=sys.stderr)
        return 1
    return {"systemctl": systemctl, "launchctl": launchctl, "journalctl": journalctl, "loginctl": loginctl}[name](words)


def systemctl(words: list[str]) -> int:
    assert words[0] == "--user"
    match words[1:]:
        case ["start" | "restart", unit]:
            _set(unit, True)
        case ["stop", unit] | ["disable", "--now", unit]:
            _set(unit, False)
        case ["is-active", unit]:
            print("active" if unit in _active() else "inactive")
            return 0 if unit in _active() else 3
        case ["show-environment"] | ["daemon-reload"] | ["enable", _]:
            pass
        case other:
            raise AssertionError(other)
    return 0


def launchctl(words: list[str]) -> int:
    match words:
        case ["bootstrap", target, file]:
            if f"{target}/{Path(file).stem}" in _active():
                print("Bootstrap failed: 5: Input/output error", file=sys.stderr)
                return 5
            _set(f"{target}/{Path(file).stem}", True)
        case ["bootout", service]:
            _set(service, False)
        case ["print", service]:
            if service not in _active():
                print("Could not find service", file=sys.stderr)
                return 113
            print("\tstate = running")
        case other:
            raise AssertionError(other)
    return 0


def journalctl(words: list[str]) -> int:
    print("what the gateway said \x1b[2J")
    return 0


def loginctl(words: list[str]) -> int:
    print("no")
    return 0


def _active() -> set[str]:
    file = FOLDER / "active"
    return set(file.read_text().splitlines()) if file.exists() else set()


def _set(name: str, runs: bool) -> None:
    names = _active() | {name} if runs else _active() - {name}
    (FOLDER / "active").write_text("".join(f"{one}\n" for one in sorted(names)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
