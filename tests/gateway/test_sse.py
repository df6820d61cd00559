import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse

from carapax.testing import Pause
from carapax.testing.gateway import gateway_client
from tests.running import run

ACCEPT = {"Accept": "text/event-stream"}


async def frames_until(response: ClientResponse, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Id and event of each frame, up to and with the first of a kind."""
    seen: list[tuple[str, dict[str, Any]]] = []
    async with asyncio.timeout(30):
        while not seen or seen[-1][1]["kind"] != kind:
            frame = (await response.content.readuntil(b"\n\n")).decode()
            fields = dict(line.split(": ", 1) for line in frame.strip().split("\n"))
            seen.append((fields.get("id", ""), msgspec.json.decode(fields["data"])["event"]))
    return seen


def test_events_come_as_they_happen_and_kept_ones_have_an_id() -> None:
    pause = Pause()

    async def main() -> list[tuple[str, str]]:
        async with gateway_client([("one ", pause, "two")]) as gateway:
            sent = await gateway.rpc("session.message", text="hi")
            path = f"/api/sessions/{sent['session']}/events"
            await pause.reached()
            async with gateway.call("GET", path, headers=ACCEPT) as response:
                assert response.content_type == "text/event-stream"
                past = await frames_until(response, "run_started")
                pause.release()
                rest = await frames_until(response, "run_finished")
                return [(name, event["kind"]) for name, event in past + rest]

    seen = run(main())
    assert ("", "text_delta") in seen
    kept = [name for name, _ in seen if name]
    assert kept == [str(number) for number in range(1, len(kept) + 1)]
    assert seen[-1][1] == "run_finished"


def test_a_returning_caller_goes_on_after_the_last_event_it_has() -> None:
    async def main() -> list[str]:
        async with gateway_client(["one"]) as gateway:
            sent = await gateway.rpc("session.message", text="hi", wait=True)
            headers = {**ACCEPT, "Last-Event-ID": "2"}
            path = f"/api/sessions/{sent['session']}/events?after=0"
            async with gateway.call("GET", path, headers=headers) as response:
                return [name for name, _ in await frames_until(response, "run_finished")]

    ids = run(main())
    assert ids[0] == "3"


@pytest.mark.parametrize("last", ["x", "-1", "1.0", "٣", "9" * 20, "999"])
def test_a_last_event_that_is_none_is_refused(last: str) -> None:
    async def main() -> int:
        async with gateway_client() as gateway:
            session = (await gateway.services.sessions.create()).id
            headers = {**ACCEPT, "Last-Event-ID": last}
            async with gateway.call("GET", f"/api/sessions/{session}/events", headers=headers) as response:
                return response.status

    assert run(main()) == 400


def test_a_session_that_is_none_is_refused() -> None:
    async def main() -> int:
        path = "/api/sessions/none/events"
        async with gateway_client() as gateway, gateway.call("GET", path, headers=ACCEPT) as response:
            return response.status

    assert run(main()) == 404


def test_without_asking_for_a_stream_the_events_are_a_page() -> None:
    async def main() -> tuple[list[int], int]:
        async with gateway_client(["one"]) as gateway:
            sent = await gateway.rpc("session.message", text="hi", wait=True)
            async with gateway.call("GET", f"/api/sessions/{sent['session']}/events?after=1&limit=2") as response:
                page = await response.json()
                return [event["seq"] for event in page["events"]], page["seq"]

    assert run(main()) == ([2, 3], 3)
