"""What is told of the port's encryption."""

from carapax.config import Config, TlsConfig
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_a_plain_port_is_told() -> None:
    async def play() -> object:
        async with gateway_client() as gateway:
            return await gateway.rpc("tls.status")

    assert run(play()) == {
        "mode": "off",
        "certificate": None,
        "authority": None,
        "renews_at": 0,
        "left_out": [],
        "problem": "",
    }


def test_names_dates_and_fingerprints_are_told_and_no_key() -> None:
    async def play() -> None:
        async with gateway_client(config=Config(tls=TlsConfig(mode="on"))) as gateway:
            told = await gateway.rpc("tls.status")
            async with gateway.call("GET", "/api/tls") as response:
                assert await response.json() == told
                assert "PRIVATE" not in await response.text()
        assert told["mode"] == "private"
        assert told["certificate"]["since"] < told["renews_at"] < told["certificate"]["until"]
        assert told["authority"]["fingerprint"] != told["certificate"]["fingerprint"]

    run(play())
