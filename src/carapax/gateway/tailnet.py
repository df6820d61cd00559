"""The gateway's port in a tailnet, as the configuration wishes it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from carapax.api.services import Services
from carapax.api.tailscale import publish
from carapax.contracts import Supervise
from carapax.errors import CarapaxError
from carapax.settings import Told
from carapax.tailscale.tailscale import Mode

log = logging.getLogger("carapax.tailscale")
EXIT_S = 10.0


@asynccontextmanager
async def in_tailnet(services: Services, port: int, supervise: Supervise, *, encrypted: bool) -> AsyncGenerator[None]:
    """Tell Tailscale where the port is, and have it reached as the configuration wishes, also when that changes, beside
    what goes on; at the end, where that is wished, have it reached no more. What goes wrong is in the log."""
    services.tailscale.listens(services.config.gateway.host, port, encrypted=encrypted)
    changed = asyncio.Event()
    services.settings.follow(Told(lambda config: changed.set()))
    work = _follow(services, changed)
    wishing = asyncio.get_running_loop().create_task(supervise("Tailscale", work))
    try:
        yield
    finally:
        wishing.cancel()
        await asyncio.wait([wishing])
        work.close()  # it may not have begun
        if services.config.tailscale.reset_on_exit and services.tailscale.names:
            await _end(services)


async def _follow(services: Services, changed: asyncio.Event) -> None:
    """At start nothing is taken away: somebody may have said so to Tailscale itself."""
    wished = services.config.tailscale.mode
    await _carry_out(services, wished, or_more=wished == "off")
    while True:
        await changed.wait()
        changed.clear()
        if services.config.tailscale.mode != wished:
            wished = services.config.tailscale.mode
            await _carry_out(services, wished)


async def _carry_out(services: Services, wished: Mode, *, or_more: bool = False) -> None:
    try:
        told = await services.tailscale.status()
        if told.mode != wished and not or_more:
            told = await publish(services, wished)
    except CarapaxError as error:
        log.error("the gateway is not reached through Tailscale: %s", error)
        return
    if told.mode == "funnel":
        log.warning("the whole internet reaches the gateway at %s", told.url)
    elif told.mode == "serve":
        log.info("the tailnet reaches the gateway at %s", told.url)


async def _end(services: Services) -> None:
    try:
        async with asyncio.timeout(EXIT_S):
            await services.tailscale.configure("off")
    except (CarapaxError, TimeoutError) as error:
        log.error("Tailscale still leads to the gateway, which has ended: %s", error or "it took too long")
