"""One conversation with an agent over a connection to the gateway."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from carapax.agent.context import Transcript
from carapax.api.file import FileSaved
from carapax.api.reply import Answering, Reply
from carapax.cli.client import Client, connect
from carapax.cli.rpc import Running
from carapax.clock import SystemClock
from carapax.errors import CarapaxError, InvalidRequest, Unavailable
from carapax.events import ApprovalAsked, Envelope, Kept, RunStarted, Scope
from carapax.messages import Origin
from carapax.store.halt import REMEDY
from carapax.store.records import SessionInfo

Show = Callable[[Envelope], None]


class Sent(Struct):
    session: str
    message: str
    seq: int
    stopped: str = ""


class Listed(Struct):
    sessions: list[SessionInfo]


class Conversation:
    """Says things and shows what comes of it. `session` is "" until the first message of a new one."""

    def __init__(self, client: Client, session: str, agent: str, model: str) -> None:
        self.session = session
        self._client = client
        self._agent = agent
        self._model = model
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
            raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
        saved = await self._client.upload(file.name, data)
        self._attached.append(saved)
        return saved

    async def say(self, text: str, show: Show) -> Reply:
        """Send a message and show what happens until the run that took it has ended. Raises CarapaxError,
        of which Unavailable says that agents are stopped and the message waits."""
        self._cancelled = False
        await self._watch()
        params: dict[str, Any] = {"session": self.session, "text": text, "dedupe_key": self._clock.new_id()}
        if self._attached:
            params["attachments"] = [{"digest": file.digest, "name": file.name} for file in self._attached]
        if self._model:
            params["model"] = self._model
        sent = await self._client.call("session.message", params, Sent)
        self._attached.clear()
        if sent.stopped:
            raise Unavailable(f"{sent.stopped}; your message is kept, and is answered once they are released", REMEDY)
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

    async def cancel(self) -> None:
        """Stop the run that is under way, or is about to begin; `say` then returns as soon as it has stopped."""
        self._cancelled = True
        if self.session:
            await self._client.send("session.cancel", {"session": self.session})

    async def answer(self, asked: ApprovalAsked, scope: Scope | None) -> None:
        """Answer a question: yes for a scope, or no. The event that follows tells whether it counted."""
        answer = {"approval": asked.id, "digest": asked.digest, "verdict": "allow" if scope else "deny"}
        await self._client.send("approval.answer", answer | {"scope": scope or "once"})

    async def title(self) -> str:
        """Raises CarapaxError for a session that does not exist."""
        return (await self._client.call("session.get", {"session": self.session}, SessionInfo)).title

    async def sessions(self, limit: int) -> list[SessionInfo]:
        """The last ones of the home."""
        return (await self._client.call("session.list", {"limit": limit}, Listed)).sessions

    async def _watch(self) -> None:
        if not self.session:
            params: dict[str, Any] = {"agent": self._agent, "model": self._model}
            self.session = (await self._client.call("session.create", params, SessionInfo)).id
        if self._watching != self.session:
            self._transcript = Transcript()
            await self._client.watch(self.session, 0)
            self._watching = self.session


def _read(file: Path) -> bytes:
    return file.expanduser().read_bytes()


@asynccontextmanager
async def converse(running: Running, session: str, agent: str, model: str) -> AsyncGenerator[Conversation, None]:
    async with connect(running) as client:
        yield Conversation(client, session, agent, model)
