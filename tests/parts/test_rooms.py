"""Sandboxes that stay open until nothing runs in them."""

from pathlib import Path

from carapax.app import Tasks
from carapax.config import Config, EgressConfig, ReachConfig
from carapax.parts.rooms import Plan, Room
from tests.fakes.live_sandbox import OPEN
from tests.parts.live import gateway_on, until
from tests.parts.test_agents import FILE
from tests.running import run


def test_a_room_that_is_left_closes_when_its_last_user_goes(tmp_path: Path) -> None:
    async def main() -> None:
        tasks = Tasks()
        config = Config()
        room = Room("main", Plan.of(config, "main"), tasks.spawn)
        assert room.plan == Plan("bubblewrap", {}, EgressConfig(), ReachConfig())
        with room.used(), room.used():
            room.leave()
            assert room.is_open
        await until(lambda: not room.is_open)
        await tasks.close()

    run(main())


def test_a_sandbox_is_opened_anew_only_when_it_is_another(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, FILE) as (gateway, _):
            [opened] = OPEN
            await gateway.services.settings.change({("agents", "main", "persona"): "other"})
            assert opened is OPEN[0]
            await gateway.services.settings.change({("egress", "allow"): ["10.0.0.0/8"]})
            await until(lambda: len(OPEN) == 1 and OPEN[0] is not opened)

    run(main())
