"""What one session asks of people, and the answers: kept once each, with who gave them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from carapax.agent.context import Transcript, granted_by
from carapax.agent.loop import Record
from carapax.clock import Clock
from carapax.errors import Conflict, InvalidRequest, NotFound
from carapax.events import ApprovalAsked, ApprovalGiven, Envelope, Kept, RunFinished
from carapax.sessions.delivery import Delivery
from carapax.store import grants
from carapax.store.audit import Actor, Audit
from carapax.store.database import Statement, Unexpected
from carapax.store.grants import Grants
from carapax.store.journal import Journal


class Questions:
    """The questions of a session. One waits until it is answered, its time is over, or its run ends."""

    def __init__(
        self, session: str, journal: Journal, audit: Audit, delivery: Delivery, kept: Grants, clock: Clock
    ) -> None:
        self._session = session
        self._journal = journal
        self._audit = audit
        self._delivery = delivery
        self._grants = kept
        self._clock = clock
        self._waiting: dict[str, tuple[ApprovalAsked, asyncio.Future[ApprovalGiven]]] = {}

    @property
    def waiting(self) -> tuple[ApprovalAsked, ...]:
        """What waits for a person, the first that was asked first."""
        return tuple(asked for asked, answer in self._waiting.values() if not answer.done())

    async def ask(self, transcript: Transcript, asked: ApprovalAsked, record: Record) -> ApprovalGiven:
        """Ask whoever may answer; when nobody does in time, that is the answer."""
        answer: asyncio.Future[ApprovalGiven] = asyncio.get_running_loop().create_future()
        self._waiting[asked.id] = asked, answer
        try:
            await record(asked)
            await asyncio.wait([answer], timeout=asked.expires_at - self._clock.now())
            if not answer.done():
                with suppress(Unexpected):  # somebody has answered just now
                    await self._give(transcript, asked, ApprovalGiven(asked.id, "deny"), Actor(""))
            return await answer
        finally:
            self._waiting.pop(asked.id, None)

    async def answer(
        self, transcript: Transcript, given: ApprovalGiven, who: Actor, also: Sequence[Statement] = ()
    ) -> None:
        """Keep a person's answer to what waits; the first one counts. Raises NotFound when nothing waits for it any
        more, InvalidRequest for a scope that was not offered, Conflict when somebody else was first."""
        if given.id not in self._waiting:
            raise NotFound(f"nothing waits for an answer to {given.id}", "it was answered, or its time is over")
        asked, answer = self._waiting[given.id]
        if given.scope not in ("once", *(offer.scope for offer in asked.offers)):
            raise InvalidRequest(
                f"a yes to this call cannot be given for {given.scope!r}", "give it for this call only"
            )
        try:
            await self._give(transcript, asked, given, who, also)
        except Unexpected as error:
            if error.index > 0:
                raise
            if not answer.done():
                raise Conflict(f"the run that asked for {given.id} is over", "if it goes on, it asks again") from None
            by = answer.result().by or "nobody, in time"
            raise Conflict(f"{given.id} was answered by {by} already") from None

    def follow(self, transcript: Transcript, envelope: Envelope) -> None:
        """Take an answer that was just kept; what it allows for good is allowed from now on."""
        given = envelope.event
        if not isinstance(given, ApprovalGiven):
            return
        asked = transcript.approvals.get(given.id)
        if asked and given.scope == "always":
            granted = granted_by(asked, given, transcript.run_agent, envelope.at)
            if granted is not None:
                self._grants.take(granted)
        if given.id in self._waiting and not self._waiting[given.id][1].done():
            self._waiting[given.id][1].set_result(given)

    def keeping(self, transcript: Transcript, event: Kept) -> list[Statement]:
        """What is to be committed with an event: that a question waits, or that none does any more."""
        if isinstance(event, ApprovalAsked):
            return [
                grants.asked(event.id, self._session),
                *self._audited("approval.asked", Actor(f"agent {transcript.run_agent}"), transcript, event, {}),
            ]
        return [grants.void(self._session)] if isinstance(event, RunFinished) and transcript.approvals else []

    async def _give(
        self,
        transcript: Transcript,
        asked: ApprovalAsked,
        given: ApprovalGiven,
        who: Actor,
        more: Sequence[Statement] = (),
    ) -> None:
        """Keep an answer, what it allows besides, and who gave it. Raises Unexpected when there is one already."""
        granted = granted_by(asked, given, transcript.run_agent, self._clock.now()) if given.scope == "always" else None
        started = transcript.started
        also = [
            grants.answered(asked.id),
            *([grants.keep(granted)] if granted else []),
            *self._audited("approval.given", who, transcript, asked, {"verdict": given.verdict, "scope": given.scope}),
            *(self._delivery.replies(self._session, started, (given,)) if started else []),
            *more,
        ]
        await self._journal.append(self._session, given, run=transcript.run_id, also=also)

    def _audited(
        self, kind: str, who: Actor, transcript: Transcript, asked: ApprovalAsked, more: dict[str, str | int]
    ) -> list[Statement]:
        about: dict[str, str | int] = {
            "approval": asked.id,
            "tool": asked.tool,
            "call": asked.call_id,
            "digest": asked.digest,
            "rule": asked.rule,
        }
        channel = transcript.started.channel if transcript.started else ""
        return self._audit.of(kind, who, channel=channel, session=self._session, detail=about | more)
