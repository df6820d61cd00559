"""Answers that owners give in a chat, where the question was asked: `/approve NONCE [session|always]`, `/deny NONCE`.

Only what comes through a chat channel is read like this. The same text from anywhere else is a message like any other,
so that nobody who may talk to an agent, and no agent, says yes by it.
"""

import re
from contextlib import suppress
from typing import Literal

from carapax.clock import Clock
from carapax.errors import CarapaxError, Conflict, NotFound, StoreError
from carapax.events import ApprovalAsked, Scope
from carapax.messages import Inbound, Receipt
from carapax.sessions.delivery import Delivery
from carapax.sessions.sessions import Sessions
from carapax.store.audit import Actor, Audit
from carapax.store.database import Statement, Unexpected
from carapax.store.journal import Journal
from carapax.store.records import heard

MOST_WRONG = 5
_COMMAND = re.compile(r"/(?:approve|deny)(?:@\w+)?(?:\s.*)?", re.IGNORECASE | re.DOTALL)
_ANSWER = re.compile(r"/(approve|deny)(?:@\w+)?\s+([a-z0-9]{1,20})(?:\s+(once|session|always))?", re.IGNORECASE)
_USAGE = "Answer /approve and the letters of the question, perhaps with session or always, or /deny and the letters."

_SCOPES: dict[str, Scope] = {"": "once", "once": "once", "session": "session", "always": "always"}


class Answers:
    """What the messages of chat channels go through: an answer is taken as one, all else goes to its session."""

    def __init__(self, sessions: Sessions, journal: Journal, audit: Audit, delivery: Delivery, clock: Clock) -> None:
        self._sessions = sessions
        self._journal = journal
        self._audit = audit
        self._delivery = delivery
        self._clock = clock
        self._wrong: dict[str, int] = {}
        """How many answers to no question came in a session in which some wait."""

    async def submit(self, inbound: Inbound) -> Receipt:
        """As `Sessions.submit`; an answer is committed, with its receipt, when this returns."""
        text = inbound.text.strip()
        session = (
            await self._journal.find(inbound.channel, inbound.conversation)
            if _COMMAND.fullmatch(text) and inbound.conversation
            else None
        )
        if session is None:
            return await self._sessions.submit(inbound)
        if inbound.dedupe_key and (accepted := await self._journal.accepted(inbound)):
            return accepted
        try:
            return await self._take(inbound, session, _ANSWER.fullmatch(text))
        except Unexpected:  # the same message, twice at once
            accepted = await self._journal.accepted(inbound)
            if accepted is None:
                raise
            return accepted

    async def _take(self, inbound: Inbound, session: str, said: re.Match[str] | None) -> Receipt:
        who = Actor(f"{inbound.channel} {inbound.sender.id}", inbound.sender.name or inbound.sender.id)
        if inbound.sender.trust != "owner":
            return await self._tell(inbound, session, who, "Only an owner can answer that.", "approval.refused")
        waiting = [asked for name, asked in self._sessions.approvals() if name == session]
        if not waiting:
            self._wrong.pop(session, None)
            return await self._tell(inbound, session, who, "Nothing waits for an answer here.")
        if said is None:
            return await self._tell(inbound, session, who, _USAGE)
        meant = [asked for asked in waiting if asked.nonce.lower() == said[2].lower()]
        if not meant:
            return await self._refuse(inbound, session, who, waiting)
        self._wrong.pop(session, None)
        verdict: Literal["allow", "deny"] = "allow" if said[1].lower() == "approve" else "deny"
        scope = _SCOPES[(said[3] or "").lower()] if verdict == "allow" else "once"
        receipt = Receipt(session, self._clock.new_id(), 0)
        try:
            also = self._heard(inbound, receipt)
            await self._sessions.answer(meant[0].id, meant[0].digest, verdict, who, scope, also)
        except (StoreError, Unexpected):
            raise
        except CarapaxError as error:
            return await self._tell(inbound, session, who, f"That came to nothing: {error}")
        return receipt

    async def _refuse(self, inbound: Inbound, session: str, who: Actor, waiting: list[ApprovalAsked]) -> Receipt:
        """Who does not know what the question is called may only guess so often."""
        self._wrong[session] = self._wrong.get(session, 0) + 1
        left = MOST_WRONG - self._wrong[session]
        if left > 0:
            told = f"No question here is called that; {left} more such answers are a no."
            return await self._tell(inbound, session, who, told, "approval.refused")
        del self._wrong[session]
        for asked in waiting:
            with suppress(NotFound, Conflict):  # it was answered meanwhile
                await self._sessions.answer(asked.id, asked.digest, "deny", Actor(who.id, "too many wrong answers"))
        return await self._tell(inbound, session, who, "Too many wrong answers: that is a no.", "approval.refused")

    async def _tell(self, inbound: Inbound, session: str, who: Actor, text: str, kind: str = "") -> Receipt:
        """Say something to whoever spoke, for the record as well if it is of a `kind`."""
        receipt = Receipt(session, self._clock.new_id(), 0)
        noted = self._audit.of(kind, who, channel=inbound.channel, session=session) if kind else []
        said = self._delivery.say(inbound.channel, inbound.conversation, text, session)
        await self._audit.database.transact([*self._heard(inbound, receipt), *noted, *said])
        self._delivery.wake(inbound.channel)
        return receipt

    def _heard(self, inbound: Inbound, receipt: Receipt) -> list[Statement]:
        return [heard(inbound, receipt)] if inbound.dedupe_key is not None else []
