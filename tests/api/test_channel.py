from pathlib import Path

import pytest

from tests.parts.live import FILE, gateway_on
from tests.running import run

NAME = "tests.fakes.live_channel"


def test_channels_are_listed_as_they_come_and_go_and_asked_who_we_are(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, FILE, []) as (gateway, _):
            assert await gateway.rpc("channel.list") == {"channels": [], "configured": [], "available": []}
            await gateway.services.settings.change({("channels", NAME): {}})
            listed = await gateway.rpc("channel.list")
            assert [(each["name"], each["state"]) for each in listed["channels"]] == [("live", "listening")]
            assert listed["configured"] == [NAME]
            assert await gateway.rpc("channel.check", channel="live") == {"known_as": "live"}
            with pytest.raises(RuntimeError, match="no channel 'other'"):
                await gateway.rpc("channel.check", channel="other")
            await gateway.services.settings.change({("channels", NAME): None})
            assert (await gateway.rpc("channel.list"))["channels"] == []

    run(main())
