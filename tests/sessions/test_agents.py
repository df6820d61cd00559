"""The agents that are configured now."""

from pathlib import Path

import pytest

from carapax.errors import NotFound
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_what_stands_for_an_agent_that_is_gone_has_its_name_and_no_tools(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            agents = gateway.services.sessions.configured
            [main] = agents
            assert agents.get() is agents.get("main") is agents.of("main") is main
            gone = agents.of("gone")
            assert (gone.name, gone.configured, gone.toolbox.specs()) == ("gone", False, ())
            with pytest.raises(NotFound, match="there are: main"):
                agents.get("gone")

    run(main())
