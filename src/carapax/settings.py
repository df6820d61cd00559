"""The configuration in force."""

from dataclasses import dataclass

from carapax.config import Config


@dataclass(slots=True)
class Settings:
    """`current` is what is in force now. Whoever needs a part of it reads it there, each time."""

    current: Config
