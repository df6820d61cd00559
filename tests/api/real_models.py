"""A whole gateway that asks the providers it is told of, over the network."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession

from carapax.app import open_app, supervise
from carapax.config import Config, GatewayConfig, Home
from carapax.configcheck import check
from carapax.gateway.server import open_gateway
from carapax.redaction import Secret
from carapax.testing import ScriptedProvider
from carapax.testing.gateway import LOCAL_SECRET, GatewayClient


@asynccontextmanager
async def gateway_on(
    folder: Path, config: Config | None = None, environ: Mapping[str, str] | None = None
) -> AsyncGenerator[GatewayClient, None]:
    """Opened with the configuration that the home holds, unless another is given."""
    home = Home(folder, folder / "data")
    config = config or check(home)
    config = Config(
        gateway=GatewayConfig(port=0), agents=config.agents, providers=config.providers, chains=config.chains
    )
    async with (
        open_app(config, home, environ=environ or {}) as services,
        open_gateway(services, supervise, local=Secret(LOCAL_SECRET)) as gateway,
        ClientSession() as http,
    ):
        yield GatewayClient(f"http://127.0.0.1:{gateway.port}", http, services, gateway, ScriptedProvider(()))
