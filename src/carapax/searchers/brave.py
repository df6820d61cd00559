"""Brave's web search.

The format: https://api-dashboard.search.brave.com/app/documentation/web-search/get-started
"""

import html
import re
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from carapax.contracts import Hit
from carapax.models.refusal import BROKEN_JSON, Origin, no_answer
from carapax.models.search import hits
from carapax.models.server import Server, Wire, keyed

_WIRE = Wire(keyed("X-Subscription-Token"), version="")
_MOST_HITS = 20
_MARKS = re.compile(r"</?strong>")


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Brave, which has nothing to choose."""


def encode(query: str, count: int) -> str:
    """The path of a request, with its query."""
    asked = {"q": query, "count": min(count, _MOST_HITS), "text_decorations": "false", "result_filter": "web"}
    return f"/web/search?{urlencode(asked, quote_via=quote, errors='replace')}"


class _Result(Struct):
    title: Any = None
    url: Any = None
    description: Any = None
    page_age: Any = None


class _Web(Struct):
    results: list[_Result] = []


class _Answer(Struct):
    """What is said of the web is left out when nothing was found."""

    type: Literal["search"]
    web: _Web | None = None


_answer = msgspec.json.Decoder(_Answer)


def decode(body: bytes, origin: Origin, count: int) -> list[Hit]:
    """What was found, at most `count` pages of it. Raises a ModelError."""
    try:
        web = _answer.decode(body).web or _Web()
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    found = ((_plain(page.title), page.url, _plain(page.description), page.page_age) for page in web.results)
    return hits(found, count)


def _plain(text: object) -> str:
    """What is escaped for a page, and marked where it fits the query, as plain text."""
    return html.unescape(_MARKS.sub("", text)) if isinstance(text, str) else ""


class Brave:
    """Brave, with a key."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._server = server

    async def search(self, query: str, count: int) -> list[Hit]:
        return await self._server.ask(_WIRE, "", encode(query, count), None, partial(decode, count=count))


EXTENSION = Brave
