"""What a check finds, and what it may look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec import Struct

from carapax.config import Config, Home
from carapax.errors import CarapaxError
from carapax.vault import Vault


class Finding(Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at.

    check: which check found it
    state: "ok", "warn" or "fail"
    message: what was found
    remedy: what to do about it; empty when it is ok
    fix: the id of a repair, "CHECK:REPAIR:WHAT", that `doctor.fix` and `carapax doctor --fix` make; empty for none
    fixed: what was done about it just now
    """

    check: str
    state: Literal["ok", "warn", "fail"]
    message: str
    remedy: str = ""
    fix: str = ""
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. `config` is that of the gateway that runs, and None when it cannot be read; `running` is the
    address of the gateway that answers for the home now, or empty; `used` is the model that it uses where nobody chose
    one, or empty where it did not say."""

    home: Home
    config: Config | None
    environ: Mapping[str, str]
    vault: Vault
    running: str = ""
    used: str = ""


def failed(check: str, error: CarapaxError) -> Finding:
    return Finding(check, "fail", error.message, error.hint or "see the log, and `carapax config check`")


def open_to_others(check: str, path: Path) -> Finding:
    """Other users of this machine have rights on it."""
    return Finding(check, "warn", f"other users can get at {path}", f"chmod go= {path}", f"{check}:private:{path}")
