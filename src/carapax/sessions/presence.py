"""Which channels listen, and what became of those that do not."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from carapax.contracts import Channel, Submit, Supervise
from carapax.errors import CarapaxError, NotFound


class Standing(Struct, frozen=True):
    """How a channel is.

    name: its name, under which messages come
    state: "listening", or "broken" until it is tried again, or "ended" when it stopped by itself
    detail: why it does not listen; empty while it does
    since: since when that is so, in seconds since 1970
    """

    name: str
    state: Literal["listening", "broken", "ended"]
    detail: str
    since: float


class Presence:
    """All channels that were told to listen."""

    def __init__(self, now: Callable[[], float], supervise: Supervise) -> None:
        self._now = now
        self._supervise = supervise
        self._channels: dict[str, tuple[Channel, Standing]] = {}

    async def listen(self, channel: Channel, submit: Submit) -> None:
        """Have a channel receive until this is cancelled, and remember how that goes. Raises what it raises."""
        name = channel.name
        self._note(channel, "listening")
        try:
            await self._supervise(f"channel {name}", channel.run(submit))
        except CarapaxError as error:
            self._note(channel, "broken", str(error))
            raise
        else:
            self._note(channel, "ended", "it stopped listening by itself")

    def forget(self, name: str) -> None:
        self._channels.pop(name, None)

    def all(self) -> list[Standing]:
        """How each channel is, by name."""
        return [standing for _, (_, standing) in sorted(self._channels.items())]

    async def check(self, name: str) -> str:
        """What the platform of a channel calls us. Raises NotFound, and what the channel raises that cannot be
        reached."""
        if name not in self._channels:
            known = ", ".join(sorted(self._channels)) or "none"
            raise NotFound(f"there is no channel {name!r}", f"there are: {known}")
        return await self._supervise(f"checking the channel {name}", self._channels[name][0].check())

    def _note(self, channel: Channel, state: Literal["listening", "broken", "ended"], detail: str = "") -> None:
        self._channels[channel.name] = (channel, Standing(channel.name, state, detail, self._now()))
