"""The gateway in a tailnet: how it is reached there, and changing that."""

from msgspec import Struct
from msgspec.structs import replace

from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.errors import CarapaxError, Forbidden
from carapax.tailscale.tailscale import Mode, TailscaleStatus


class Reach(Struct, frozen=True, forbid_unknown_fields=True):
    """Who reaches the gateway through Tailscale.

    mode: "serve" for the machines of the tailnet, "funnel" for everybody, "off" for nobody
    """

    mode: Mode


@operation("tailscale.status", scope="admin", path="/api/tailscale")
async def status(services: Services, params: Nothing) -> TailscaleStatus:
    """Whether Tailscale is here and connected, and how the gateway is reached through it. Takes up to 20 s."""
    return await services.tailscale.status()


@operation("tailscale.configure", scope="admin", method="POST", path="/api/tailscale", raises=(503,))
async def configure(services: Services, params: Reach) -> TailscaleStatus:
    """Have the tailnet, everybody, or nobody reach the gateway, now and at each start. For everybody it needs somebody
    to be able to sign in. Takes up to 40 s."""
    told = await publish(services, params.mode)
    try:
        await services.settings.change({("tailscale", "mode"): params.mode}, who=services.caller.actor())
    except CarapaxError as error:
        return replace(told, problem=f"done, but not kept in carapax.toml: {error.message}", remedy=error.hint)
    return told


async def publish(services: Services, mode: Mode) -> TailscaleStatus:
    """Raises Forbidden for a gateway without any credential that everybody would reach, and what `configure` of
    Tailscale raises."""
    if mode == "funnel" and not await services.owner.guarded():
        remedy = "set a password or a passkey, or run `carapax token create`; `serve` is for your tailnet only"
        raise Forbidden("Funnel is open to the whole internet, and nothing protects this gateway yet", remedy)
    told = await services.tailscale.configure(mode)
    await services.audit.note("tailscale.configure", services.caller.actor(), detail={"mode": mode})
    return told
