"""A gateway without its door, on a home of its own, with a scripted model."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from carapax.api.services import Services
from carapax.app import open_app
from carapax.config import AgentConfig, Config, Home
from carapax.contracts import Channel, Searcher, Tool
from carapax.events import Envelope, Event, RunFinished
from carapax.messages import Inbound, Sender
from carapax.sessions.sessions import Sessions
from carapax.store.journal import Journal
from carapax.testing import ScriptedProvider
from carapax.testing.models import OneProvider
from carapax.testing.provider import Script


class Opened:
    """An open gateway: its sessions, its journal, and the model that was scripted."""

    def __init__(self, services: Services, provider: ScriptedProvider) -> None:
        self.services = services
        self.sessions: Sessions = services.sessions
        self.journal: Journal = services.journal
        self.provider = provider

    async def say(self, text: str, session: str = "", sender: str = "ann", dedupe_key: str | None = None) -> str:
        """Submit a message and return its session."""
        inbound = Inbound("test", "", Sender(sender, sender), text, dedupe_key=dedupe_key)
        return (await self.sessions.submit(inbound, session=session)).session

    async def ask(self, session: str, model: str) -> None:
        """Submit a message that asks for a model of its own."""
        await self.sessions.submit(Inbound("test", "", Sender("ann"), "hi"), session=session, model=model)

    async def until(self, session: str, met: Callable[[Envelope], bool], after: int = 0) -> Envelope:
        """The first event of the session, kept or streamed, for which this holds. Raises TimeoutError."""
        async with asyncio.timeout(30), self.journal.subscribe(session, after) as envelopes:
            async for envelope in envelopes:
                if met(envelope):
                    return envelope
        raise AssertionError("the subscription ended")

    async def finished(self, session: str, after: int = 0) -> Envelope:
        """The end of the next run."""
        return await self.until(session, lambda envelope: isinstance(envelope.event, RunFinished), after)

    async def events(self, session: str) -> list[Event]:
        return [envelope.event for envelope in await self.journal.read(session)]


@asynccontextmanager
async def opened(
    home: Path,
    script: Script = (),
    *,
    agent: AgentConfig | None = None,
    channels: Iterable[Channel] = (),
    tools: Iterable[Tool] = (),
    config: Config | None = None,
    searcher: Searcher | None = None,
) -> AsyncGenerator[Opened, None]:
    agent = agent or AgentConfig(sandbox="bubblewrap")
    provider = ScriptedProvider(script)
    async with open_app(
        config or Config(agents={"main": agent}),
        Home(home, home / "data"),
        environ={},
        models=OneProvider(provider, searcher),
        channels=channels,
        tools=tools,
    ) as services:
        yield Opened(services, provider)
