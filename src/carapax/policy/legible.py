"""What others wrote, as people are shown it: nothing of it hides, turns the writing, or moves a cursor."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from carapax.invisible import strip
from carapax.lookalikes import told
from carapax.messages import Origin

_MOST_NAMED, _LONGEST_NAME = 3, 100

_MOST_SPACES = 12
_GAP = re.compile(f" {{{_MOST_SPACES},}}|\n{{3,}}")


def shown(tool: str, arguments: Mapping[str, Any]) -> str:
    """The whole call: the tool, then a line for each argument, and what in them imitates other letters; further lines
    of an argument are indented, so that no value can look like another one."""
    lines = [f"{legible(name)}: {legible(value)}" for name, value in arguments.items()]
    note = told("\n".join(lines))
    return "\n".join([legible(tool), *(line.replace("\n", "\n  ") for line in lines), *([note] if note else [])])


def legible(value: Any) -> str:
    """A value with everything written out that would not show as itself."""
    text = value if isinstance(value, str) else msgspec.json.encode(value, order="deterministic").decode()
    return _GAP.sub(_written, "".join(_escaped(character) for character in text))


def sources(origins: Sequence[Origin]) -> str:
    """From where something was read, in a short line; empty for nowhere."""
    named = [_name(origin) for origin in origins[:_MOST_NAMED]]
    more = [f"{len(origins) - _MOST_NAMED} more"] if len(origins) > _MOST_NAMED else []
    return ", ".join(named + more)


def _name(origin: Origin) -> str:
    name = legible(origin.name if "://" in origin.name else str(origin)).replace("\n", "\\n")
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _escaped(character: str) -> str:
    is_seen = character == "\n" or (character.isprintable() and strip(character) != "")
    return character if is_seen else character.encode("unicode_escape").decode()


def _written(gap: re.Match[str]) -> str:
    """What could push the rest out of sight."""
    return "".join("\\x20" if character == " " else "\\n" for character in gap[0])
