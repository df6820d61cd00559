"""Fetching the facts and prices of models anew, by the gateway that runs on a home or without one."""

from carapax import durable
from carapax.cli.rpc import find_gateway
from carapax.config import Home
from carapax.models.facts import Refreshed


def refresh(home: Home) -> Refreshed:
    """Raises a CarapaxError, which says why the table that is there stays."""
    if gateway := find_gateway(home):
        return gateway.call("model.refresh", {}, Refreshed)
    from carapax.cli.loop import awaited
    from carapax.configfile import load
    from carapax.http import Http
    from carapax.models.facts import FactBook

    durable.refuse_root(home.config_dir, home.data_dir)
    config = load(home)

    async def fetch() -> Refreshed:
        async with Http() as http:
            return await FactBook(config.providers, config.models, home.facts_file).refresh(http, config.facts.url)

    return awaited(fetch())
