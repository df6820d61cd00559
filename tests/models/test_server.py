import asyncio
import contextlib

import pytest

from carapax.errors import (
    Unavailable,
)
from carapax.events import Delta, TextDelta
from carapax.http import Http
from carapax.messages import AssistantMessage
from carapax.models.refusal import Origin
from carapax.models.server import Server, StreamReader, endpoint, rooted
from carapax.models.sse import ServerSentEvent, SseParser
from carapax.redaction import Secret
from carapax.testing import FakeClock
from tests.running import run

ORIGIN = Origin("vendor", "model-1", key=Secret("sk-verysecretkey12345"))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.example", "https://api.example/v1/models"),
        ("https://api.example/", "https://api.example/v1/models"),
        ("https://api.example/v1", "https://api.example/v1/models"),
        ("https://api.example/v1/", "https://api.example/v1/models"),
        ("https://api.example/proxy/", "https://api.example/proxy/v1/models"),
        ("https://api.example/api/paas/v4", "https://api.example/api/paas/v4/models"),
        ("https://api.example/v1beta/openai/", "https://api.example/v1beta/openai/models"),
        ("https://api.example/vendor/v3/openai", "https://api.example/vendor/v3/openai/models"),
        ("https://v1.example", "https://v1.example/v1/models"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/models"),
        ("https://api.example/v1/models", "https://api.example/v1/models"),
        (
            "https://r.example/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "https://r.example/openai/models?api-version=2024-10-21",
        ),
    ],
)
def test_only_what_is_missing_is_added_to_a_base_url(base_url: str, url: str) -> None:
    assert endpoint(base_url, "/models") == url


class _Countless:
    """A decoder that makes something of every event and never ends."""

    done = False

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        return [TextDelta(event.data)]

    def finish(self) -> AssistantMessage:
        return AssistantMessage(())


def test_an_answer_without_end_is_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"data: more\n\n")
                await writer.drain()
        writer.close()

    async def main() -> int:
        came = 0
        async with (
            await asyncio.start_server(endless, "127.0.0.1") as server,
            Http() as http,
            http.request("GET", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as response,
        ):
            reader = StreamReader(response, _Countless(), SseParser(), max_bytes=1200)
            with pytest.raises(Unavailable, match="on and on"):
                while (deltas := await reader.deltas()) is not None:
                    came += len(deltas)
        return came

    assert run(main()) <= 100


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("http://host:1", "http://host:1"),
        ("http://host:1/api", "http://host:1"),
        ("http://host:1/v1/", "http://host:1"),
        (" http://host:1/api/chat ", "http://host:1"),
        ("http://host:1/v1/chat/completions", "http://host:1"),
        ("https://host/v1/proxy/api", "https://host/v1/proxy"),
        ("https://host/api/proxy/?a=b", "https://host/api/proxy/?a=b"),
        ("https://host/apis", "https://host/apis"),
    ],
)
def test_an_address_ends_before_its_version_for_dialects_that_add_their_own(base_url: str, root: str) -> None:
    assert rooted(Server("a", Http(), FakeClock(), base_url), "api|v1").base_url == root
