"""The reply to one message, found by following its session."""

from collections.abc import AsyncGenerator
from contextlib import suppress

from msgspec import Struct

from carapax.errors import Lagged
from carapax.events import Envelope, Finish, ModelResponded, RunFinished, RunStarted, SessionEnded, Steered
from carapax.messages import Receipt, Usage
from carapax.store.journal import Journal


class Reply(Struct, frozen=True, omit_defaults=True):
    """What the agent replied.

    text: the last answer of the run, as markdown
    finish: how the run ended; anything but "done" has a `detail`
    detail: why, for a person
    run: the run that answered
    usage: tokens of all model answers of the run
    """

    text: str
    finish: Finish
    detail: str = ""
    run: str = ""
    usage: Usage = Usage()


class Answering:
    """Folds the events of a session into the reply to one message: `run` once a run took it, `reply` at its end,
    `usage` so far.

    A run that was interrupted by a restart is gone on with by another, which the reply then comes from.
    """

    def __init__(self, message: str) -> None:
        self.run = ""
        self.reply: Reply | None = None
        self._message = message
        self._text = ""
        self.usage = Usage()

    def done(self) -> bool:
        return self.reply is not None

    def apply(self, envelope: Envelope) -> None:
        match envelope.event:
            case RunStarted(messages=messages, resumes=resumes):
                if self._message in messages or (resumes and resumes == self.run):
                    self.run = envelope.run
            case Steered(messages=messages) if self._message in messages:
                self.run = envelope.run
            case ModelResponded(message=message) if envelope.run == self.run:
                self._text = message.text
                self.usage = _sum(self.usage, message.usage)
            case RunFinished(reason=reason, detail=detail) if envelope.run == self.run and reason != "interrupted":
                self.reply = Reply(self._text, reason, detail, self.run, self.usage)
            case SessionEnded(reason=why):
                self.reply = Reply(self._text, "cancelled", why or "the session was ended", self.run, self.usage)
            case _:
                pass


async def follow(journal: Journal, receipt: Receipt, answering: Answering) -> AsyncGenerator[Envelope, None]:
    """Yield what happens from a message on, kept and streamed, up to the end of the run that took it.

    Falling behind loses streamed events only: it goes on from the last kept one.
    """
    after = receipt.seq
    while not answering.done():
        with suppress(Lagged):
            async with journal.subscribe(receipt.session, after) as envelopes:
                async for envelope in envelopes:
                    after = envelope.seq
                    answering.apply(envelope)
                    yield envelope
                    if answering.done():
                        return


async def reply_to(journal: Journal, receipt: Receipt) -> Reply:
    """Wait for the reply to a message."""
    answering = Answering(receipt.message)
    async for _ in follow(journal, receipt, answering):
        pass
    assert answering.reply is not None
    return answering.reply


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input + other.input,
        one.output + other.output,
        one.cache_read + other.cache_read,
        one.cache_write + other.cache_write,
        one.reasoning + other.reasoning,
    )
