"""Bugs that the simulation must find: each breaks one rule, in our own code, for as long as the test lasts."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from carapax.agent import context, loop
from carapax.contracts import Channel, Submit
from carapax.errors import CarapaxError
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    Kept,
    RunFinished,
    SendFailed,
    Steered,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import Inbound, Origin, Outbound
from carapax.sessions import delivery, questions, session
from carapax.store import journal, leases, records
from carapax.store.database import Statement
from carapax.store.outbox import buried
from carapax.testing.simulated_database import SimulatedDatabase, Waiting
from tests.programmes.simulated_gateway import Planted
from tests.programmes.world import WorldChannel

Plant = Callable[[pytest.MonkeyPatch], Planted]
UNSYNCED_S = 0.2


class Unsynced(SimulatedDatabase):
    """Acknowledges commits that a crash undoes, as without syncing."""

    saved: tuple[float, bytes] | None = None

    def commit(self, group: list[Waiting]) -> None:
        now = asyncio.get_running_loop().time()
        if self.saved is None:
            self._life.at_end(self.forget)
        if self.saved is None or now - self.saved[0] > UNSYNCED_S:
            self.saved = (now, self._writer.connection.serialize("main"))
        super().commit(group)

    def forget(self) -> None:
        assert self.saved is not None
        for leftover in ("-wal", "-shm"):
            Path(f"{self._path}{leftover}").unlink(missing_ok=True)
        self._path.write_bytes(self.saved[1])


class Hasty(WorldChannel):
    """Acknowledges to the platform before the gateway has kept the message."""

    async def _accept(self, submit: Submit, inbound: Inbound) -> None:
        if inbound in self.world.waiting[inbound.conversation]:
            self.world.waiting[inbound.conversation].remove(inbound)
        await super()._accept(submit, inbound)


def acknowledged_before_commit(patch: pytest.MonkeyPatch) -> Planted:
    return Planted(database=Unsynced)


def acknowledged_before_submit(patch: pytest.MonkeyPatch) -> Planted:
    return Planted(channel=Hasty)


def repetitions_accepted(patch: pytest.MonkeyPatch) -> Planted:
    patch.setattr(journal, "receipt", lambda *_: Statement("SELECT 1"))
    return Planted()


def sent_past_the_outbox(patch: pytest.MonkeyPatch) -> Planted:
    def replies(
        self: delivery.Delivery, name: str, started: Any, events: tuple[Kept, ...], origins: tuple[Origin, ...] = ()
    ) -> list[Statement]:
        channel = self._channels.get(started.channel)
        for event in events:
            if channel and (text := delivery.spoken(event, origins)):
                key = self._clock.new_id()
                message = Outbound(started.channel, started.conversation, text, key)
                asyncio.get_running_loop().create_task(send_once(channel, message))
        return []

    patch.setattr(delivery.Delivery, "replies", replies)
    return Planted()


async def send_once(channel: Channel, message: Outbound) -> None:
    with suppress(CarapaxError):
        await channel.send(message)


def at_most_once_run_again(patch: pytest.MonkeyPatch) -> Planted:
    patch.setattr(loop, "ToolCalled", lambda call, rerun: ToolCalled(call, "pure"))
    return Planted()


class NoLock:
    """A lock that lets everybody in."""

    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *failure: object) -> None: ...
    def locked(self) -> bool:
        return False


def two_runs_in_one_session(patch: pytest.MonkeyPatch) -> Planted:
    acquire = leases.acquire

    def seize(name: str, run: str, owner: str, now: float, ttl_s: float) -> Statement:
        """As if every lease had expired."""
        taken = acquire(name, run, owner, now, ttl_s)
        return taken._replace(params=(*taken.params[:4], now + 2 * ttl_s))

    def wake(self: session.Session) -> None:
        self._turn = NoLock()  # type: ignore[assignment]  # the planted bug
        self._around.spawn("session", self._serve())

    patch.setattr(leases, "acquire", seize)
    patch.setattr(session.Session, "wake", wake)
    return Planted()


def _filtered(patch: pytest.MonkeyPatch, keep: Callable[[session.Session, Kept], bool]) -> None:
    record = session.Session._record

    async def filtered(self: session.Session, transcript: Any, run_id: str, events: tuple[Kept, ...]) -> None:
        if kept := tuple(event for event in events if keep(self, event)):
            await record(self, transcript, run_id, kept)

    patch.setattr(session.Session, "_record", filtered)


def calls_not_recorded_before_they_run(patch: pytest.MonkeyPatch) -> Planted:
    _filtered(patch, lambda _, event: not isinstance(event, ToolCalled))
    return Planted()


def sending_not_recorded(patch: pytest.MonkeyPatch) -> Planted:
    patch.setattr(delivery, "sent", lambda key: Statement("SELECT $1", (key,)))
    return Planted()


def steering_not_recorded(patch: pytest.MonkeyPatch) -> Planted:
    def keep(self: session.Session, event: Kept) -> bool:
        if isinstance(event, Steered) and self._transcript:
            self._transcript._take(event.messages, self._transcript.seq)
        return not isinstance(event, Steered)

    _filtered(patch, keep)
    return Planted()


def untaken_messages_not_recovered(patch: pytest.MonkeyPatch) -> Planted:
    unfinished = journal.Journal.unfinished

    async def running(self: journal.Journal) -> list[records.SessionInfo]:
        return [info for info in await unfinished(self) if info.state == "running"]

    patch.setattr(journal.Journal, "unfinished", running)
    return Planted()


def interrupted_runs_not_resumed(patch: pytest.MonkeyPatch) -> Planted:
    def finish(self: context.Transcript, event: RunFinished, envelope: Envelope) -> None:
        self.run, self.run_id = None, ""
        self.running.clear()

    patch.setitem(context._FOLDS, RunFinished, finish)
    return Planted()


def results_dropped_by_the_fold(patch: pytest.MonkeyPatch) -> Planted:
    def fold(self: context.Transcript, event: ToolReturned, envelope: Envelope) -> None:
        if envelope.seq % 5:
            context.Transcript._return(self, event, envelope)

    patch.setitem(context._FOLDS, ToolReturned, fold)
    return Planted()


def replies_kept_after_their_cause(patch: pytest.MonkeyPatch) -> Planted:
    async def keep(
        self: session.Session, *events: Kept, run: str = "", fence: str = "", also: Sequence[Statement] = ()
    ) -> None:
        replies = [statement for statement in also if "outbox" in statement.sql]
        rest = [statement for statement in also if "outbox" not in statement.sql]
        await self._around.journal.append(self.name, *events, run=run, fence=fence, also=rest)
        if replies:
            await self._around.database.transact(replies)

    patch.setattr(session.Session, "_keep", keep)
    return Planted()


def replies_overtake_each_other(patch: pytest.MonkeyPatch) -> Planted:
    async def in_no_order(self: delivery.Delivery, channel: Any, queue: list[Any], sending: set[str]) -> None:
        for queued in queue:
            await self._send(channel, queued)
        sending.discard(queue[0].message.conversation)
        self.wake(channel.name)

    patch.setattr(delivery.Delivery, "_send_in_order", in_no_order)
    return Planted()


def given_up_in_two_steps(patch: pytest.MonkeyPatch) -> Planted:
    async def give_up(self: delivery.Delivery, queued: Any, error: CarapaxError) -> None:
        key = queued.message.key
        await self._journal._database.transact([buried(key, str(error))])
        await self._journal.append(queued.session, SendFailed(key, str(error)))

    patch.setattr(delivery.Delivery, "_give_up", give_up)
    return Planted()


def a_yes_is_not_waited_for(patch: pytest.MonkeyPatch) -> Planted:
    async def ask(
        self: questions.Questions, transcript: context.Transcript, asked: ApprovalAsked, record: loop.Record
    ) -> ApprovalGiven:
        await record(asked)
        return ApprovalGiven(asked.id, "allow")

    patch.setattr(questions.Questions, "ask", ask)
    return Planted()


PLANTS: tuple[Plant, ...] = (
    a_yes_is_not_waited_for,
    acknowledged_before_commit,
    acknowledged_before_submit,
    repetitions_accepted,
    sent_past_the_outbox,
    at_most_once_run_again,
    two_runs_in_one_session,
    calls_not_recorded_before_they_run,
    sending_not_recorded,
    steering_not_recorded,
    untaken_messages_not_recovered,
    interrupted_runs_not_resumed,
    results_dropped_by_the_fold,
    replies_kept_after_their_cause,
    replies_overtake_each_other,
    given_up_in_two_steps,
)
