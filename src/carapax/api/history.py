"""A session's events as people read them."""

from collections.abc import Iterable

from msgspec import Struct

from carapax.events import Envelope, Finish, MessageReceived, ModelResponded, RunFinished, ToolReturned
from carapax.messages import Message, UserMessage


class Said(Struct, frozen=True, omit_defaults=True):
    """One entry of a conversation: a message, or the note that a run ended otherwise than done.

    seq: its place in the session's journal
    at: when, in seconds since 1970
    run: the run it belongs to
    message: what was said, by `role`
    id: the id of a message that came in
    finish: how the run ended, where there is no message
    detail: why, for a person
    """

    seq: int
    at: float
    run: str = ""
    message: Message | None = None
    id: str = ""
    finish: Finish | None = None
    detail: str = ""


def said(envelopes: Iterable[Envelope]) -> list[Said]:
    """The entries in order; messages stand where they came in."""
    return [entry for envelope in envelopes if (entry := _entry(envelope)) is not None]


def _entry(envelope: Envelope) -> Said | None:
    match envelope.event:
        case MessageReceived(id=name, text=text, sender=sender, attachments=attachments):
            told = UserMessage(text, sender.name, attachments)
            return Said(envelope.seq, envelope.at, message=told, id=name)
        case ModelResponded(message=message):
            return Said(envelope.seq, envelope.at, envelope.run, message)
        case ToolReturned(result=result):
            return Said(envelope.seq, envelope.at, envelope.run, result)
        case RunFinished(reason=reason, detail=detail) if reason != "done":
            return Said(envelope.seq, envelope.at, envelope.run, finish=reason, detail=detail)
    return None
