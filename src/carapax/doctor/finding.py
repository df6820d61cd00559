"""What a check finds, and what it may look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from carapax.config import Config, Home
from carapax.errors import CarapaxError


class Finding(Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at. Unless it is ok, `remedy` says what to do."""

    check: str
    state: Literal["ok", "warn", "fail"]
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. `config` is None when it cannot be read; `running` is the port a gateway listens on, or 0."""

    home: Home
    config: Config | None
    environ: Mapping[str, str]
    running: int = 0


def failed(check: str, error: CarapaxError) -> Finding:
    return Finding(check, "fail", error.message, error.hint)
