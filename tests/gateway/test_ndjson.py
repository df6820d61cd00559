import io

import msgspec
import pytest

from carapax.events import Event, MessageReceived
from carapax.testing.gateway import gateway_client
from tests.running import run

NDJSON = "application/x-ndjson"
SENT = {"Content-Type": NDJSON}


def text_of(event: Event) -> str:
    return event.text if isinstance(event, MessageReceived) else ""


def test_a_session_longer_than_any_other_body_is_carried_over() -> None:
    async def main() -> None:
        async with gateway_client(lambda asked: "x" * 90_000) as old, gateway_client() as new:
            session = (await old.rpc("session.create"))["id"]
            for number in range(6):
                text = f"{number} " + "y" * 90_000
                await old.rpc("session.message", session=session, text=text, wait=True)
            async with old.call("GET", f"/api/sessions/{session}/export", headers={"Accept": NDJSON}) as response:
                assert (response.status, response.content_type) == (200, NDJSON)
                lines = await response.read()
            assert len(lines) > 1_000_000
            async with new.call("POST", "/api/imports", data=io.BytesIO(lines), headers=SENT) as response:
                assert response.status == 201
                imported = (await response.json())["id"]
            theirs = await old.services.journal.read(session)
            ours = await new.services.journal.read(imported)
            assert [type(envelope.event) for envelope in ours] == [type(envelope.event) for envelope in theirs]
            assert [text_of(envelope.event) for envelope in ours] == [text_of(envelope.event) for envelope in theirs]

    run(main())


@pytest.mark.parametrize("lines", [b"", b"\n", b"{", b'{"seq":1}\n', b"null\n", b"\xff\n", b"[" * 100_000])
def test_lines_that_are_no_session_are_refused(lines: bytes) -> None:
    async def main() -> tuple[int, str]:
        headers = {"Content-Type": NDJSON}
        async with (
            gateway_client() as gateway,
            gateway.call("POST", "/api/imports", data=lines, headers=headers) as response,
        ):
            return response.status, msgspec.json.decode(await response.read())["kind"]

    assert run(main()) == (400, "invalid_request")


def test_a_session_that_is_none_is_not_found() -> None:
    async def main() -> int:
        path, headers = "/api/sessions/none/export", {"Accept": NDJSON}
        async with gateway_client() as gateway, gateway.call("GET", path, headers=headers) as response:
            return response.status

    assert run(main()) == 404
