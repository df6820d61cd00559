"""What the tests of all embedders do alike."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from carapax.contracts import Embedder
from carapax.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
)
from carapax.http import Http
from carapax.models.refusal import Origin
from carapax.models.server import Server
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.fakes.reached import reached

KEY = "sk-verysecretkey12345"
ORIGIN = Origin("vendor", "model")


@asynccontextmanager
async def served(
    open_embedder: Callable[[Server], Embedder], *answers: Answer, path: str = ""
) -> AsyncIterator[tuple[Embedder, ModelServer]]:
    """The embedder and the server that it asks; one that answers without end if no answers are given."""
    script = answers or (lambda received: Answer())
    async with ModelServer(script) as server, Http() as http:
        yield open_embedder(reached(http, server, KEY, path)), server


FAILURES = [
    pytest.param(Answer(status=500), ModelUnavailable, "500", id="500"),
    pytest.param(Answer(status=404), ModelRejected, "404", id="404"),
    pytest.param(Answer(status=429, headers={"Retry-After": "3"}), ModelBusy, "429", id="429"),
    pytest.param(Answer(status=401), ModelUnauthorized, "401", id="401"),
    pytest.param(
        Answer(status=400, body='{"error":"the input length exceeds the context length"}'),
        ContextOverflow,
        "context length",
        id="too long",
    ),
    pytest.param(Answer(body="<html>Sign in</html>", content_type="text/html"), ModelUnavailable, "HTML", id="HTML"),
    pytest.param(Answer(body="garbage"), ModelUnavailable, "no valid answer", id="garbage"),
    pytest.param(Answer(body="{}"), ModelUnavailable, "no valid answer", id="empty object"),
    pytest.param(Answer(body="[]"), ModelUnavailable, "no valid answer", id="a list"),
    pytest.param(Answer(error=f"wrong key {KEY}"), ModelUnavailable, r"wrong key \*", id="error in a 200"),
    pytest.param(Answer(delay_s=1), ModelUnavailable, "silent", id="stalled"),
]


async def fail(open_embedder: Callable[[Server], Embedder], answer: Answer, kind: type[ModelError], words: str) -> None:
    """A server that answers so is told of as this kind of error, in these words."""
    async with served(open_embedder, answer) as (embedder, _):
        with pytest.raises(ModelError, match=words) as raised:
            await embedder.embed(["hi"], "m", purpose="query")
        assert type(raised.value) is kind
        assert (raised.value.vendor, raised.value.model) == ("fake", "m")
        assert raised.value.hint
        assert KEY not in str(raised.value)
