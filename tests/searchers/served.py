"""What the tests of all searchers do alike."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec import Struct

from carapax.contracts import Searcher
from carapax.errors import ModelBusy, ModelError, ModelRejected, ModelUnauthorized, ModelUnavailable
from carapax.http import Http
from carapax.models.refusal import Origin
from carapax.models.server import Server
from tests.fakes.answer import Answer, patience_s
from tests.fakes.reached import reached

KEY = "tvly-verysecretkey12345"
ORIGIN = Origin("vendor", "")


class Asked(Struct, frozen=True):
    """A request as it came: `path` with its query as a person reads it, header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class SearchServer:
    """Answers every request alike that has its `key`, if it wants one. `requests` are those received, `patience_s` is
    how long a client does well to wait."""

    def __init__(self, answer: Answer, key: str) -> None:
        self.key = key
        self.requests: list[Asked] = []
        self.url = ""
        self.patience_s = patience_s([answer])
        self._answer = answer

    async def respond(self, request: web.Request) -> web.Response:
        sent = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(
            Asked(request.method, str(request.rel_url), headers, msgspec.json.decode(sent) if sent else None)
        )
        answer = self._answer
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            answer = said({"detail": {"error": "Unauthorized: missing or invalid API key."}}, 401)
        await asyncio.sleep(answer.delay_s)
        return web.Response(
            status=answer.status, headers=answer.headers, body=answer.body.encode(), content_type=answer.content_type
        )


@asynccontextmanager
async def serving(answer: Answer, key: str = "") -> AsyncIterator[SearchServer]:
    served = SearchServer(answer, key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served
    finally:
        await runner.cleanup()


@asynccontextmanager
async def served(
    open_searcher: Callable[[Server], Searcher], answer: Answer, path: str = "", key: str = KEY
) -> AsyncIterator[tuple[Searcher, SearchServer]]:
    """The searcher and the server that it asks, which answers so."""
    async with serving(answer) as server, Http() as http:
        yield open_searcher(reached(http, server, key, path)), server


def said(body: object, status: int = 200) -> Answer:
    """An answer with this as JSON."""
    return Answer(status=status, body=msgspec.json.encode(body).decode())


FAILURES = [
    pytest.param(Answer(status=500, body="{}"), ModelUnavailable, "fake answered with 500: ", id="500"),
    pytest.param(Answer(status=404, body="{}"), ModelRejected, "fake answered with 404: ", id="404"),
    pytest.param(said({"error": "slow down"}, 429), ModelBusy, "fake answered with 429: slow down", id="429"),
    pytest.param(said({"error": f"wrong {KEY}"}, 401), ModelUnauthorized, r"401: wrong \*", id="401"),
    pytest.param(Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"),
    pytest.param(Answer(body="garbage"), ModelUnavailable, "fake: the server sent no valid answer", id="garbage"),
    pytest.param(Answer(body="{}"), ModelUnavailable, "no valid answer", id="empty object"),
    pytest.param(Answer(body="[]"), ModelUnavailable, "no valid answer", id="a list"),
    pytest.param(said({"error": {"message": f"no {KEY}"}}), ModelUnavailable, r"answered: no \*", id="error in a 200"),
    pytest.param(Answer(delay_s=1), ModelUnavailable, "silent", id="stalled"),
]


async def fail(open_searcher: Callable[[Server], Searcher], answer: Answer, kind: type[ModelError], words: str) -> None:
    """A server that answers so is told of as this kind of error, in these words."""
    async with served(open_searcher, answer) as (searcher, _):
        with pytest.raises(ModelError, match=words) as raised:
            await searcher.search("turtles", 3)
        assert type(raised.value) is kind
        assert (raised.value.vendor, raised.value.model) == ("fake", "")
        assert raised.value.hint
        assert "model" not in str(raised.value)
        assert KEY not in str(raised.value)
