"""One conversation with an agent over a connection to the gateway."""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from carapax.agent.context import Transcript
from carapax.api.file import FileSaved
from carapax.api.reply import Answering, Reply
from carapax.cli.client import Client, Find, connect, nowhere
from carapax.cli.rpc import Running
from carapax.cli.terminal import clean, one_line
from carapax.clock import SystemClock
from carapax.errors import CarapaxError, InvalidRequest, Unavailable
from carapax.events import ApprovalAsked, Envelope, Kept, MessageReceived, RunStarted, Scope
from carapax.messages import Origin
from carapax.store.halt import REMEDY
from carapax.store.records import SessionInfo

Show = Callable[[Envelope], None]
T = TypeVar("T")
_AGAIN_S = 2.0
_LONGEST_FILE = 512 << 20


class Sent(Struct):
    session: str
    message: str
    seq: int
    stopped: str = ""


class Listed(Struct):
    sessions: list[SessionInfo]


class Agent(Struct):
    """Who answers."""

    name: str
    model: str = ""
    description: str = ""
    title: str = ""
    emoji: str = ""

    @property
    def called(self) -> str:
        """What people call it; empty where that is only its name."""
        found = f"{one_line(self.emoji, 20)} {one_line(self.title, 40)}".strip()
        return "" if found == self.name else found


class Agents(Struct):
    agents: list[Agent]


class Conversation:
    """Says things and shows what comes of it. `session` is "" until the first message of a new one, which `agent`
    answers, with `model`; empty for what is configured."""

    def __init__(self, client: Client, watcher: Client, session: str, agent: str, model: str) -> None:
        self.session = session
        self.agent = agent
        self.model = model
        self._client = client
        self._watcher = watcher
        self._calling = asyncio.Lock()
        self._saying = asyncio.Lock()
        self._listening = asyncio.Lock()
        self._keys: set[str] = set()
        self._watching = ""
        self._cancelled = False
        self._clock = SystemClock()
        self._attached: list[FileSaved] = []
        self._transcript = Transcript()

    @property
    def origins(self) -> tuple[Origin, ...]:
        """From whom else the session has read so far."""
        return self._transcript.reading.origins

    async def attach(self, file: Path) -> FileSaved:
        """Let a file go along with the next message. Raises CarapaxError when it cannot be read, or is refused."""
        try:
            data = await asyncio.to_thread(_read, file)
        except OSError as error:
            raise InvalidRequest(f"{clean(str(file))} cannot be read: {error.strerror}") from error
        saved = await self._client.upload(file.name, data)
        self._attached.append(saved)
        return saved

    async def say(self, text: str, show: Show) -> Reply:
        """Send a message and show what happens until the run that took it has ended. Raises CarapaxError,
        of which Unavailable says that agents are stopped and the message waits."""
        self._cancelled = False
        await self._watch()
        sent = await self.send(text)
        answering = Answering(sent.message)
        async for envelope in self._client.events():
            answering.apply(envelope)
            if isinstance(envelope.event, Kept):
                self._transcript.apply(envelope)
            if self._cancelled and isinstance(envelope.event, RunStarted):
                await self.cancel()
            if envelope.seq > sent.seq:
                show(envelope)
            if answering.reply is not None:
                return answering.reply
        raise CarapaxError("the events ended before the run did")

    async def send(self, text: str) -> Sent:
        """Have the gateway keep a message; a new session is made for the first one. Raises as `say` does."""
        async with self._saying:
            return await self._send(text)

    async def _send(self, text: str) -> Sent:
        await self.begin()
        key = self._clock.new_id()
        self._keys.add(key)
        params: dict[str, Any] = {"session": self.session, "text": text, "dedupe_key": key}
        if self._attached:
            params["attachments"] = [{"digest": file.digest, "name": file.name} for file in self._attached]
        if self.model:
            params["model"] = self.model
        sent = await self.call("session.message", params, Sent)
        self._attached.clear()
        if sent.stopped:
            raise Unavailable(f"{sent.stopped}; your message is kept, and is answered once they are released", REMEDY)
        return sent

    def is_own(self, key: str | None) -> bool:
        """Whether a message with this key was said here."""
        return key in self._keys

    async def begin(self) -> None:
        """Make the session if there is none."""
        if not self.session:
            params: dict[str, Any] = {"agent": self.agent, "model": self.model}
            self.session = (await self.call("session.create", params, SessionInfo)).id

    async def call(self, method: str, params: dict[str, Any], result: type[T]) -> T:
        """Ask the gateway. Raises CarapaxError."""
        async with self._calling:
            return await self._client.call(method, params, result)

    async def join(self, lost: Callable[[bool], None]) -> list[Envelope]:
        """Watch the session from now on, with `follow`; gives its last exchange. `lost` is called when the gateway is
        gone, and when it is back. Raises CarapaxError."""
        async with self._listening:
            return await self._join(lost)

    async def _join(self, lost: Callable[[bool], None]) -> list[Envelope]:
        session, self._transcript = self.session, Transcript()
        opened_at = (await self.about()).seq
        exchange: list[Envelope] = []
        self._watcher.lost = lost
        await self._watcher.watch(session, 0)
        async for envelope in self._watcher.events():
            if isinstance(envelope.event, Kept):
                self._transcript.apply(envelope)
                if isinstance(envelope.event, MessageReceived):
                    exchange.clear()
                exchange.append(envelope)
                if envelope.seq >= opened_at:
                    break
        return exchange

    async def follow(self, show: Show) -> None:
        """Show what happens in the session that was joined, without end, also when the gateway is gone for long.
        Nothing that is kept is missed or shown twice."""
        async with self._listening:
            while True:
                try:
                    async for envelope in self._watcher.events():
                        if isinstance(envelope.event, Kept):
                            self._transcript.apply(envelope)
                        show(envelope)
                except Unavailable:
                    await asyncio.sleep(_AGAIN_S)

    async def cancel(self) -> None:
        """Stop the run that is under way, or is about to begin; `say` then returns as soon as it has stopped."""
        self._cancelled = True
        if self.session:
            await self._client.send("session.cancel", {"session": self.session})

    async def answer(self, asked: ApprovalAsked, scope: Scope | None) -> None:
        """Answer a question: yes for a scope, or no. The event that follows tells whether it counted."""
        answer = {"approval": asked.id, "digest": asked.digest, "verdict": "allow" if scope else "deny"}
        await self._client.send("approval.answer", answer | {"scope": scope or "once"})

    async def agents(self) -> list[Agent]:
        """Who could answer, the default first."""
        return (await self.call("agent.list", {}, Agents)).agents

    async def about(self) -> SessionInfo:
        """The session, whose agent is the one that is talked with. Raises CarapaxError for one that does not exist."""
        info = await self.call("session.get", {"session": self.session}, SessionInfo)
        self.agent = info.agent
        return info

    async def sessions(self, limit: int) -> list[SessionInfo]:
        """The last ones of the home."""
        return (await self._client.call("session.list", {"limit": limit}, Listed)).sessions

    async def _watch(self) -> None:
        await self.begin()
        if self._watching != self.session:
            self._transcript = Transcript()
            await self._client.watch(self.session, 0)
            self._watching = self.session


def _read(file: Path) -> bytes:
    """What a device or a pipe would give may have no end."""
    descriptor = os.open(file.expanduser(), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidRequest(f"{clean(str(file))} is no file")
        data = stream.read(_LONGEST_FILE + 1)
    if len(data) > _LONGEST_FILE:
        raise InvalidRequest(f"{clean(str(file))} is longer than {_LONGEST_FILE >> 20} MB")
    return data


@asynccontextmanager
async def converse(
    running: Running, session: str, agent: str, model: str, find: Find = nowhere
) -> AsyncGenerator[Conversation, None]:
    """`find` tells where the gateway is after it was started again."""
    async with connect(running, find) as client, connect(running, find) as watcher:
        yield Conversation(client, watcher, session, agent, model)
