from pathlib import Path

import pytest

from carapax.testing.gateway import gateway_client
from tests.running import run


def test_a_test_talks_to_a_whole_gateway_over_http_and_socket() -> None:
    async def main() -> None:
        async with gateway_client(["hello"]) as gateway, gateway.socket() as socket:
            sent = await gateway.rpc("session.message", text="hi")
            await socket.rpc("session.subscribe", session=sent["session"], after=0)
            kinds = [envelope["event"]["kind"] for envelope in await socket.events_until("run_finished")]
            assert (kinds[0], kinds[-1]) == ("session_started", "run_finished")
            assert [request.messages[-1].text for request in gateway.model.requests] == ["hi"]

    run(main())


def test_what_the_gateway_refuses_is_raised_with_its_code() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError, match="-32601"):
                await gateway.rpc("no.such.method")

    run(main())


def test_a_home_that_is_given_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_client(["hello"], home=tmp_path) as gateway:
            session = (await gateway.rpc("session.message", text="hi", wait=True))["session"]
        async with gateway_client(home=tmp_path) as gateway:
            assert (await gateway.rpc("session.history", session=session))["messages"][1]["message"]["parts"]

    run(main())
