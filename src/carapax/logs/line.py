"""One line of the log: what it holds, and how it is written."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from carapax.text import written_out

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)

LONGEST = 65_536
"""Characters of a message or of a traceback that are kept."""
MOST_FIELDS = 32
_CUT = " [cut]"
_YEAR_10000 = 253_402_300_800.0


class Line(Struct, frozen=True, omit_defaults=True):
    """One line of the log.

    at: when, in seconds since 1970
    level: how bad it is
    logger: the part that says it
    text: what it says
    error: the traceback; empty without one
    session: the session it is about; empty for none
    run: the run it is about
    agent: the agent it is about
    request: the call over HTTP during which it was said
    fields: what else it says, by name
    """

    at: Annotated[float, Meta(ge=0, lt=_YEAR_10000)]
    level: Level
    logger: str
    text: str
    error: str = ""
    session: str = ""
    run: str = ""
    agent: str = ""
    request: str = ""
    fields: dict[str, str] = {}


def level_of(number: int) -> Level:
    """The level of Python's logging, of which a critical one counts as an error."""
    for name in reversed(LEVELS):
        if number >= getattr(logging, name.upper()):
            return name
    return "debug"


def is_at_least(level: Level, least: Level) -> bool:
    return LEVELS.index(level) >= LEVELS.index(least)


def safe(line: Line, redact: Callable[[str], str]) -> Line:
    """The line without secrets, wherever they stand in it, and with every control and invisible character written out:
    nothing in it can look like another line, or command a terminal."""

    def clean(text: str, keep: str = "") -> str:
        return written_out(_cut(redact(text)), keep) if text else ""

    return Line(
        line.at,
        line.level,
        clean(line.logger),
        clean(line.text),
        clean(line.error, "\n"),
        clean(line.session),
        clean(line.run),
        clean(line.agent),
        clean(line.request),
        {clean(name): clean(value) for name, value in list(line.fields.items())[:MOST_FIELDS]},
    )


def as_json(line: Line) -> bytes:
    """One line of JSON, with its end."""
    return msgspec.json.encode(line) + b"\n"


def as_text(line: Line) -> str:
    """One line for people, with its end; those of a traceback follow it, each with a mark that no line begins with."""
    at = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    ids = {"agent": line.agent, "session": line.session, "run": line.run, "request": line.request, **line.fields}
    more = "".join(f" {name}={value}" for name, value in ids.items() if value)
    trace = "".join(f"\n  | {part}" for part in line.error.split("\n") if part)
    return f"{at} {line.level.upper()} {line.logger}: {line.text}{more}{trace}\n"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + _CUT
