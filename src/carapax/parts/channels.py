"""The chat platforms of the configuration: each opened, listened to and sent to, and opened anew when it changes."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, NamedTuple, Protocol

from carapax import extensions
from carapax.config import Config
from carapax.contracts import Channel, Submit, Supervise
from carapax.errors import CarapaxError, Unavailable
from carapax.sessions.delivery import Delivery
from carapax.sessions.presence import Presence
from carapax.settings import Switch

log = logging.getLogger(__name__)
OPENS_WITHIN_S = 30.0
"""How long a channel may take to open: until then no other change is made, and the gateway does not end."""


class Keep(Protocol):
    """Starts work that goes on until it is cancelled."""

    def __call__(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> asyncio.Task[None]: ...


class _Open(NamedTuple):
    channel: Channel
    stack: AsyncExitStack


class LiveChannels:
    """Those that are configured, and those that were `given`. `listen` gives what a channel submits its messages
    with."""

    def __init__(
        self,
        delivery: Delivery,
        listen: Callable[[str], Submit],
        keep: Keep,
        supervise: Supervise,
        presence: Presence,
        given: Iterable[Channel] = (),
    ) -> None:
        self._delivery = delivery
        self._listen = listen
        self._keep = keep
        self._supervise = supervise
        self._presence = presence
        self._given = tuple(given)
        self._sections: dict[str, dict[str, Any]] = {}
        self._open: dict[str, _Open] = {}

    async def open(self, config: Config) -> None:
        """Open them all, not listening yet. Raises ConfigError, and what a channel raises that cannot be opened."""
        for name, section in config.channels.items():
            self._open[name] = await self._opened(name, section)
            self._sections[name] = section
        for channel in [*self._given, *(one.channel for one in self._open.values())]:
            self._delivery.put(channel)

    def start(self) -> None:
        """Listen and send."""
        for channel in self._given:
            self._run(channel)
        for opened in self._open.values():
            self._start(opened)

    async def close(self) -> None:
        """Close all that are configured."""
        for opened in self._open.values():
            await opened.stack.aclose()

    def lacks(self) -> bool:
        """Whether one that is configured is not open."""
        return self._sections.keys() != self._open.keys()

    async def reopen(self, config: Config, undo: AsyncExitStack) -> Switch:
        """What is changed or removed is closed before anything is opened: both would want the same port, or name. What
        was lost, and is not changed, may be missing still: it holds up nothing else."""
        wanted = config.channels
        left = [name for name in self._open if wanted.get(name) != self._sections[name]]
        opened: dict[str, _Open] = {}
        for name in left:
            undo.push_async_callback(self._again, name)
            await self._supervise(f"channel {name}", self._open[name].stack.aclose())
        for name, section in wanted.items():
            if name in left or name not in self._open:
                try:
                    opened[name] = await self._opened(name, section)
                except CarapaxError as error:
                    if name in left or self._sections.get(name) != section:
                        raise
                    log.debug("channel %s is still not there: %s", name, error)
                else:
                    undo.push_async_callback(opened[name].stack.aclose)

        def switch() -> None:
            for name in left:
                channel = self._open.pop(name).channel
                self._delivery.drop(channel.name)
                self._presence.forget(channel.name)
            self._sections = dict(wanted)
            for name, one in opened.items():
                self._open[name] = one
                self._delivery.put(one.channel)
                self._start(one)

        return switch

    async def _opened(self, name: str, section: dict[str, Any]) -> _Open:
        module = extensions.find("channel", name)
        settings = extensions.configure("channel", name, module, section)
        made = extensions.export("channel", name, module)(settings)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(OPENS_WITHIN_S):
                    channel: Channel = await self._supervise(f"channel {name}", stack.enter_async_context(made))
            except TimeoutError as error:
                problem = f"channel {name} was not open within {OPENS_WITHIN_S:g} s"
                raise Unavailable(problem, "see whether its platform can be reached, then try again") from error
            return _Open(channel, stack.pop_all())

    async def _again(self, name: str) -> None:
        """Open what was closed for nothing."""
        self._delivery.drop(self._open.pop(name).channel.name)
        try:
            opened = self._open[name] = await self._opened(name, self._sections[name])
        except CarapaxError as error:
            log.error("channel %s cannot be opened as it was: %s", name, error)
            return
        self._delivery.put(opened.channel)
        self._start(opened)

    def _start(self, opened: _Open) -> None:
        opened.stack.push_async_callback(_ended, self._run(opened.channel))

    def _run(self, channel: Channel) -> list[asyncio.Task[None]]:
        """Send and listen."""
        name = channel.name
        return [
            self._keep(f"outbox of {name}", partial(self._delivery.run, name)),
            self._keep(f"channel {name}", partial(self._presence.listen, channel, self._listen(name))),
        ]


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
