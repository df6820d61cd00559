from dataclasses import replace

import pytest

from carapax.app import supervise
from carapax.config import Config, GatewayConfig
from carapax.errors import ConfigError, Unavailable
from carapax.gateway.server import open_gateway
from carapax.redaction import Secret
from carapax.settings import Settings
from carapax.testing import Pause
from carapax.testing.gateway import gateway_client
from tests.gateway.raw import connect
from tests.running import run


def test_head_is_answered_without_a_body() -> None:
    async def main() -> list[tuple[int, bytes]]:
        async with gateway_client() as gateway:
            found = []
            for path in ("/health", "/"):
                async with gateway.call("HEAD", path) as response:
                    found.append((response.status, await response.read()))
            return found

    assert run(main()) == [(200, b""), (200, b"")]


def test_rpc_over_http_answers_batches_and_keeps_silent_for_notifications() -> None:
    async def main() -> list[object]:
        async with gateway_client() as gateway:
            call = {"jsonrpc": "2.0", "method": "health"}
            found: list[object] = []
            async with gateway.call("POST", "/rpc", json=call) as response:
                found += [response.status, await response.read()]
            async with gateway.call("POST", "/rpc", json=[{**call, "id": 1}, call, {**call, "id": "b"}]) as response:
                found += [response.status, [answer["id"] for answer in await response.json()]]
            return found

    assert run(main()) == [204, b"", 200, [1, "b"]]


def test_a_port_that_is_taken_is_told() -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            with pytest.raises(Unavailable) as caught:
                async with gateway_client(config=Config(gateway=GatewayConfig(port=gateway.gateway.port))):
                    pass
            return str(caught.value)

    assert "is in use" in run(main())


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_that_is_not_ours_is_told(host: str) -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            await gateway.services.tokens.create("first", ("read",))
            settings = Settings(Config(gateway=GatewayConfig(host=host)), gateway.services.settings.home)
            services = replace(gateway.services, settings=settings)
            with pytest.raises(ConfigError) as caught:
                async with open_gateway(services, supervise, local=Secret("x")):
                    pass
            return str(caught.value)

    assert "gateway.host: cannot listen" in run(main())


def test_stopping_cancels_what_is_still_asked_and_frees_the_port() -> None:
    pause = Pause()

    async def main() -> bytes:
        async with gateway_client([(pause, "late")]) as gateway, connect(gateway.url) as connection:
            body = b'{"jsonrpc":"2.0","id":1,"method":"session.message","params":{"text":"hi","wait":true}}'
            connection.send(
                b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            await pause.reached()
            gateway.gateway.held.drop_all()
            return await connection.read_to_end()

    assert run(main()) == b""
