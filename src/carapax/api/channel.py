"""Channels: the chat platforms that messages come from."""

from msgspec import Struct

from carapax import extensions
from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.sessions.presence import Standing


class Channels(Struct, frozen=True):
    """The channels there are, and could be.

    channels: how each is that listens or should
    configured: the tables of the configuration that open them, by name
    available: further ones that could be configured, by name
    """

    channels: list[Standing]
    configured: list[str]
    available: list[str]


class Which(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel.

    channel: its name, as listed
    """

    channel: Identifier


class Checked(Struct, frozen=True):
    """The platform answered.

    known_as: what it calls us
    """

    known_as: str


@operation("channel.list", scope="read", path="/api/channels")
async def list_(services: Services, params: Nothing) -> Channels:
    """List the channels that are configured and how they are, and those that could be configured."""
    configured = [*services.config.channels]
    available = [name for name in extensions.names("channel") if name not in configured]
    return Channels(services.presence.all(), configured, available)


@operation("channel.check", scope="admin", path="/api/channels/{channel}/check", raises=(404, 503))
async def check(services: Services, params: Which) -> Checked:
    """Ask a platform whether it knows us."""
    return Checked(await services.presence.check(params.channel))
