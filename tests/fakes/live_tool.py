"""A tool that a configuration can name."""

from msgspec import Struct

from carapax.contracts import ToolContext
from carapax.tool import tool


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """What it says.

    word: the word
    """

    word: str = "hello"


@tool(effects=("read",), rerun="pure", source="own")
async def live_word(context: ToolContext) -> str:
    """Say the word."""
    return context.settings(Config).word


EXTENSION = live_word
