"""Tavily's web search.

The format: https://docs.tavily.com/documentation/api-reference/endpoint/search
"""

from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import Struct

from carapax.contracts import Hit
from carapax.models.refusal import BROKEN_JSON, Origin, no_answer
from carapax.models.search import hits
from carapax.models.server import Server, Wire

_WIRE = Wire(version="")
_MOST_HITS = 20


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Tavily.

    search_depth: how thoroughly it searches; "advanced" costs two credits, "basic" one
    topic: what is searched: everything, "news" or "finance"
    include_domains: where it searches; empty for everywhere
    """

    search_depth: Literal["basic", "advanced"] = "basic"
    topic: Literal["general", "news", "finance"] = "general"
    include_domains: tuple[str, ...] = ()


def encode(query: str, count: int, config: Config) -> dict[str, Any]:
    """The body of a request."""
    body: dict[str, Any] = {"query": query, "max_results": min(count, _MOST_HITS)}
    body |= {"search_depth": config.search_depth, "topic": config.topic}
    return {**body, "include_domains": list(config.include_domains)} if config.include_domains else body


class _Result(Struct):
    title: Any = None
    url: Any = None
    content: Any = None
    published_date: Any = None


class _Answer(Struct):
    results: list[_Result]


_answer = msgspec.json.Decoder(_Answer)


def decode(body: bytes, origin: Origin, count: int) -> list[Hit]:
    """What was found, at most `count` pages of it. Raises a ModelError."""
    try:
        found = _answer.decode(body).results
    except BROKEN_JSON:
        raise no_answer(origin, body) from None
    return hits(((page.title, page.url, page.content, page.published_date) for page in found), count)


class Tavily:
    """Tavily, with a key."""

    def __init__(self, config: Config, server: Server) -> None:
        self.name = server.name
        self._config = config
        self._server = server

    async def search(self, query: str, count: int) -> list[Hit]:
        body = encode(query, count, self._config)
        return await self._server.ask(_WIRE, "", "/search", body, partial(decode, count=count))


EXTENSION = Tavily
