import pytest

from carapax.testing.gateway import gateway_client
from tests.running import run


def test_a_ban_is_listed_and_lifted_and_recorded() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            bans = gateway.services.bans
            for number in range(10):
                bans.fail("192.0.2.1", str(number).encode(), 0)
            assert await gateway.rpc("ban.list") == {"bans": []}
            bans.fail("192.0.2.1", b"x", 1e9)
            for number in range(9):
                bans.fail("192.0.2.1", str(number).encode(), 1e9)
            (ban,) = (await gateway.rpc("ban.list"))["bans"]
            assert ban["key"] == "192.0.2.1"
            assert await gateway.rpc("ban.lift", key="192.0.2.1") == {"key": "192.0.2.1"}
            assert await gateway.rpc("ban.list") == {"bans": []}
            with pytest.raises(RuntimeError, match="is not banned"):
                await gateway.rpc("ban.lift", key="192.0.2.1")
            kinds = [each["entry"]["kind"] for each in (await gateway.rpc("audit.list"))["entries"]]
            assert kinds[0] == "ban.lift"

    run(main())
