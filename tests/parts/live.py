"""A gateway whose configuration is in a file that changes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from carapax.configcheck import check
from carapax.home import Home
from carapax.testing.gateway import GatewayClient, gateway_client
from carapax.testing.provider import Script

FILE = """\
# mine
[agents.main]
model = "demo/demo"  # offline
sandbox = "local"
"""


@asynccontextmanager
async def gateway_on(
    folder: Path, text: str = FILE, script: Script = ()
) -> AsyncGenerator[tuple[GatewayClient, Path], None]:
    """A gateway whose configuration is in a file, and that file."""
    home = Home(folder, folder / "data")
    home.config_file.write_text(text)
    async with gateway_client(script, config=check(home), home=folder) as gateway:
        yield gateway, home.config_file


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what a file brings about."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
