"""model.refresh, over the wire."""

import pytest

from carapax.config import Config, FactsConfig, GatewayConfig
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_a_table_that_cannot_be_had_leaves_the_one_that_is_there() -> None:
    async def main() -> None:
        config = Config(gateway=GatewayConfig(port=0), facts=FactsConfig("http://127.0.0.1:1/api.json"))
        async with gateway_client(config=config) as client:
            with pytest.raises(RuntimeError, match="no connection to http"):
                await client.rpc("model.refresh")
            assert client.services.facts.of("anthropic", "claude-sonnet-4-5").known

    run(main())
