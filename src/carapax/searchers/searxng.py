"""SearXNG, a search engine on a server of one's own that asks many others.

The format: https://docs.searxng.org/dev/search_api.html
"""

from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from carapax.contracts import Hit
from carapax.errors import ModelError, ModelRejected
from carapax.models.refusal import BROKEN_JSON, Origin, no_answer, unavailable
from carapax.models.search import hits
from carapax.models.server import Server, Wire

_WIRE = Wire(version="")


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """A SearXNG server, whose own settings say all there is to choose."""


def encode(query: str) -> str:
    """The path of a request, with its query. How many pages are wanted, the API has no word for."""
    return f"/search?{urlencode({'q': query, 'format': 'json'}, quote_via=quote, errors='replace')}"


class _Result(Struct):
    title: Any = None
    url: Any = None
    content: Any = None
    publishedDate: Any = None


class _Answer(Struct):
    results: list[_Result]
    unresponsive_engines: Any = None


_answer = msgspec.json.Decoder(_Answer)


def decode(body: bytes, origin: Origin, count: int) -> list[Hit]:
    """What was found, at most `count` pages of it. Raises a ModelError, also when none of its engines answered."""
    try:
        answer = _answer.decode(body)
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    found = answer.results
    if not found and (silent := _engines(answer.unresponsive_engines)):
        raise unavailable(origin, f"nothing was found, and these did not answer: {', '.join(silent)}")
    return hits(((page.title, page.url, page.content, page.publishedDate) for page in found), count)


def _engines(found: object) -> list[str]:
    """The engines that did not answer, each with the reason."""
    pairs = found if isinstance(found, list) else []
    return [": ".join(map(str, pair)) for pair in pairs if isinstance(pair, list) and pair]


class SearXNG:
    """A SearXNG server, which wants no key."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._server = server

    async def search(self, query: str, count: int) -> list[Hit]:
        try:
            return await self._server.ask(_WIRE, "", encode(query), None, partial(decode, count=count))
        except ModelError as error:
            if error.status != 403:
                raise
            hint = "its settings.yml must have `json` among the `formats` of `search`"
            raise ModelRejected(error.message, hint, vendor=self.name, status=403) from None


EXTENSION = SearXNG
