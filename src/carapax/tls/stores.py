"""Where systems and browsers keep the authorities that they trust, and how one is added."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_ANCHORS = (
    ("/usr/local/share/ca-certificates", ("update-ca-certificates",)),
    ("/etc/pki/ca-trust/source/anchors", ("update-ca-trust",)),
    ("/etc/ca-certificates/trust-source/anchors", ("update-ca-trust",)),
)


class Store(NamedTuple):
    """A place that trusts authorities, and the commands that add one. `root` is whether only root may."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    root: bool


def stores(
    authority: Path,
    name: str,
    *,
    platform: str = sys.platform,
    root: Path = Path("/"),
    home: Path | None = None,
    find: Callable[[str], str | None] = shutil.which,
) -> Iterator[Store]:
    """Those of this system that can be told of the authority in a PEM file by a command. `name` is what it is called
    there."""
    if platform == "darwin":
        keychain = "/Library/Keychains/System.keychain"
        trust = ("security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain, os.fspath(authority))
        yield Store("the keychain of the system", (trust,), True)
        return
    for folder, update in _ANCHORS:
        if (root / folder[1:]).is_dir() and find(update[0]):
            copy = ("install", "-m", "644", os.fspath(authority), f"{folder}/{name}.crt")
            yield Store("the store of the system, for curl and most programs", (copy, update), True)
            break
    browsers = (home or Path.home()) / ".pki" / "nssdb"
    if find("certutil") and browsers.is_dir():
        add = ("certutil", "-d", f"sql:{browsers}", "-A", "-t", "C,,", "-n", name, "-i", os.fspath(authority))
        yield Store("the store of Chromium and Chrome of this user", (add,), False)
