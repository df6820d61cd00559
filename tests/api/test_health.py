from carapax.testing.gateway import gateway_client
from carapax.version import __version__
from tests.running import run


def test_the_gateway_tells_that_it_is_alive_and_how_it_is() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            assert await gateway.rpc("health") == {"status": "ok"}
            status = await gateway.rpc("status")
            assert (status["version"], status["running"]) == (__version__, [])
            assert status["memory_bytes"] > 1_000_000
            assert status["uptime_s"] >= 0
            async with gateway.call("GET", "/status") as response:
                assert (await response.json())["version"] == __version__

    run(main())
