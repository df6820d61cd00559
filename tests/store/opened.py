"""An open journal on a file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from carapax.clock import Clock
from carapax.events import MessageReceived, ModelResponded, RunStarted, SessionStarted, StateChanged
from carapax.messages import AssistantMessage, Sender, Text, ToolCall
from carapax.store.journal import Journal
from carapax.store.migrations import migrate
from carapax.store.sqlite import SQLite, open_database
from carapax.testing.clock import FakeClock

STARTED = SessionStarted("main", "test", "room", model="demo/demo")
STARTED_RUN = RunStarted("main", "demo/demo", ("m1",))
ANSWERED = ModelResponded(AssistantMessage((Text("hello"),)))
CALLED = ModelResponded(AssistantMessage((ToolCall("c1", "shell", "{}"), ToolCall("c2", "shell", "{}"))))


def said(text: str, id: str = "m1", dedupe_key: str | None = None) -> MessageReceived:  # noqa: A002 - the field's name
    return MessageReceived(id, Sender("ann"), text, "test", "room", dedupe_key=dedupe_key)


def value(number: int) -> StateChanged:
    return StateChanged("value", number)


@asynccontextmanager
async def opened_database(path: Path, vfs: str = "") -> AsyncIterator[SQLite]:
    database = await open_database(path, vfs=vfs)
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def opened_journal(path: Path, *, clock: Clock | None = None, queue: int = 1024) -> AsyncIterator[Journal]:
    async with opened_database(path) as database:
        yield Journal(database, clock or FakeClock(), queue=queue)
