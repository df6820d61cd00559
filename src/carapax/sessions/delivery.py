"""Replies on their way to chat platforms: written down with what caused them, sent until the platform took them."""

import asyncio
import logging
from contextlib import suppress

from carapax.clock import Clock
from carapax.contracts import Channel, Supervise
from carapax.errors import CarapaxError, InvalidRequest, StoreError, Unavailable
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Kept,
    MessageSent,
    ModelResponded,
    RunFinished,
    Scope,
    SendFailed,
    SessionStarted,
)
from carapax.messages import Origin, Outbound
from carapax.policy.legible import sources
from carapax.store.database import Statement
from carapax.store.journal import Journal
from carapax.store.outbox import Outbox, Queued, buried, enqueue, sent
from carapax.text import split_text

log = logging.getLogger(__name__)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 300.0
LONGEST_SEND_S = 60.0
AT_ONCE = 1000
TRIES = 40
READ = "\n\n— read: "
_COVERED: dict[Scope, str] = {"session": "this session", "always": "all sessions from now on"}


class Delivery:
    """Sends each channel's outbox in order, one conversation never waiting for another."""

    def __init__(
        self,
        outbox: Outbox,
        journal: Journal,
        clock: Clock,
        supervise: Supervise,
    ) -> None:
        self._channels: dict[str, Channel] = {}
        self._outbox = outbox
        self._journal = journal
        self._clock = clock
        self._supervise = supervise
        self._wake: dict[str, asyncio.Event] = {}

    def put(self, channel: Channel) -> None:
        """There is a channel, or another one of its name."""
        self._channels[channel.name] = channel
        self._wake.setdefault(channel.name, asyncio.Event())

    def drop(self, name: str) -> None:
        """There is no channel of this name: what waits for it waits until there is one again."""
        self._channels.pop(name, None)

    def replies(
        self, session: str, started: SessionStarted, events: tuple[Kept, ...], origins: tuple[Origin, ...] = ()
    ) -> list[Statement]:
        """The outbox rows to commit together with these events of a session that has read from these `origins`; none
        where no chat platform waits, and none for a fork, whose conversation goes on with the session it was copied
        from."""
        if started.channel not in self._channels or started.forked_from:
            return []
        texts = [spoken(event, origins) for event in events]
        return [one for text in texts for one in self.say(started.channel, started.conversation, text, session)]

    def say(self, channel: str, conversation: str, text: str, session: str) -> list[Statement]:
        """The outbox rows of a text, which belongs to a session. Raises KeyError for a channel that is not there."""
        now, longest = self._clock.now(), self._channels[channel].limits.max_text
        return [
            enqueue(Outbound(channel, conversation, piece, self._clock.new_id()), session, now)
            for piece in split_text(text, longest)
        ]

    def wake(self, channel: str) -> None:
        """Look at a channel's outbox now."""
        if channel in self._wake:
            self._wake[channel].set()

    async def run(self, name: str) -> None:
        """Send what the channel's outbox holds, until cancelled."""
        wake = self._wake[name]
        sending: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                wake.clear()
                try:
                    for conversation, queue in (await self._due(name, sending)).items():
                        sending.add(conversation)
                        group.create_task(self._send_in_order(self._channels[name], queue, sending))
                    due_at = await self._outbox.next_due_at(name)
                except StoreError as error:
                    log.warning("outbox of %s: %s", name, error)
                    due_at = self._clock.now() + FIRST_WAIT_S
                shortest = FIRST_WAIT_S if sending else 0.01
                wait = None if due_at is None else max(shortest, due_at - self._clock.now())
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await wake.wait()

    async def _due(self, name: str, sending: set[str]) -> dict[str, list[Queued]]:
        """What may be sent now, by conversation, except to those that are being sent to."""
        conversations: dict[str, list[Queued]] = {}
        busy = frozenset(sending)  # whose rows may still be read though their messages are sent by then
        for queued in await self._outbox.due(name, self._clock.now(), AT_ONCE):
            if queued.message.conversation not in busy:
                conversations.setdefault(queued.message.conversation, []).append(queued)
        return conversations

    async def _send_in_order(self, channel: Channel, queue: list[Queued], sending: set[str]) -> None:
        try:
            for queued in queue:
                if not await self._send(channel, queued):
                    break
        except StoreError as error:
            log.warning("outbox of %s: %s", channel.name, error)
            await asyncio.sleep(FIRST_WAIT_S)
        finally:
            sending.discard(queue[0].message.conversation)
            self.wake(channel.name)

    async def _send(self, channel: Channel, queued: Queued) -> bool:
        """Whether the next reply of the conversation may follow."""
        message = queued.message
        try:
            receipt = await self._supervise(f"channel {channel.name}", _in_time(channel, message))
        except InvalidRequest as error:
            await self._give_up(queued, error)
        except CarapaxError as error:
            if queued.attempts + 1 < TRIES:
                wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**queued.attempts) * (0.75 + self._clock.random() / 2)
                await self._outbox.postpone(message.key, self._clock.now() + wait, str(error))
                return False
            await self._give_up(queued, error)
        else:
            await self._journal.append(queued.session, MessageSent(message.key, receipt), also=[sent(message.key)])
        return True

    async def _give_up(self, queued: Queued, error: CarapaxError) -> None:
        log.error("reply %s was not delivered: %s", queued.message.key, error)
        failed = SendFailed(queued.message.key, str(error))
        await self._journal.append(queued.session, failed, also=[buried(failed.key, failed.error)])


async def _in_time(channel: Channel, message: Outbound) -> str:
    try:
        async with asyncio.timeout(LONGEST_SEND_S):
            return await channel.send(message)
    except TimeoutError as error:
        raise Unavailable(f"{channel.name} did not take a message within {LONGEST_SEND_S:.0f} s") from error


def spoken(event: Kept, origins: tuple[Origin, ...] = ()) -> str:
    """What a person on a chat platform is told of an event; empty for most. An answer says what it may rest on, besides
    what strangers said there."""
    match event:
        case ModelResponded(message=message):
            read = sources([origin for origin in origins if origin.kind != "stranger"])
            text = message.text.strip()
            return f"{text}{READ}{read}" if text and read else text
        case RunFinished(reason=reason, detail=detail) if reason not in ("done", "interrupted"):
            return f"[{reason}] {detail}" if detail else f"[{reason}]"
        case ApprovalAsked(shown=shown, nonce=nonce, reason=why, offers=offers):
            more = [f"/approve {nonce} {one.scope} for {_COVERED[one.scope]}: {one.text}" for one in offers]
            answers = "\n".join([f"Answer /approve {nonce} or /deny {nonce}", *more])
            return f"May this run?\n\n{shown}\n\nAsked because {why}.\n{answers}"
        case ApprovalGiven(verdict="allow", by=by, scope=scope):
            return f"{by} said yes" + (f", for {_COVERED[scope]}." if scope in _COVERED else ".")
        case ApprovalGiven(by=by):
            return f"{by} said no: it does not run." if by else "Nobody answered in time: it does not run."
    return ""
