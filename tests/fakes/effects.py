"""A tool whose effects are counted outside of the gateway, where no crash undoes them."""

import os
from collections import Counter
from pathlib import Path

from msgspec import Struct

from carapax.contracts import ToolContext
from carapax.tool import tool


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Where effects are counted.

    file: one line for each run of the tool: the call's id and what it was asked
    """

    file: str


@tool(effects=("write",), rerun="at_most_once", source="workspace")
async def effect(context: ToolContext, what: str) -> str:  # noqa: D417 - the context is not for the model
    """Do something to the world that must not be done twice.

    Args:
        what: the name of what is done
    """
    line = f"{context.session} {context.call_id} {what}\n".encode()
    file = os.open(context.settings(Config).file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
    return f"done: {what}"


def effects(file: Path) -> Counter[str]:
    """How often each effect happened, by its name."""
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(line.split(" ", 2)[2] for line in lines)


EXTENSION = effect
