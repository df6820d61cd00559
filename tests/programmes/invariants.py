"""What must hold after everything, however unlucky the world was."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from carapax.agent.context import fold
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    MessageReceived,
    MessageSent,
    ModelResponded,
    RunFinished,
    RunStarted,
    SendFailed,
    SessionStarted,
    Steered,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import Receipt, UserMessage
from carapax.sessions.delivery import READ, spoken

MOST_ATTEMPTS = 60


class Reply(Protocol):
    """A reply that a platform took."""

    @property
    def conversation(self) -> str: ...
    @property
    def text(self) -> str: ...


class Seen(Protocol):
    """What people, the platform and the tools saw. `acknowledged` has no receipt where the platform got none."""

    @property
    def acknowledged(self) -> Mapping[str, Receipt | None]: ...
    @property
    def taken(self) -> Mapping[str, Reply]: ...
    @property
    def refused(self) -> Mapping[str, Reply]: ...
    @property
    def attempts(self) -> Mapping[str, int]: ...
    @property
    def effects(self) -> Mapping[tuple[str, str], int]: ...
    @property
    def malformed(self) -> Sequence[str]: ...
    @property
    def said(self) -> int: ...


@dataclass
class Record:
    """All that the gateway has kept at the end: each session's journal, and what is left to be done."""

    journals: dict[str, list[Envelope]]
    unfinished: int
    unsent: int


def violations(seen: Seen, record: Record) -> Iterator[str]:
    """Every rule that does not hold, each with what it was seen on."""
    yield from seen.malformed
    yield from _nothing_lost(seen, record)
    if record.unfinished or record.unsent:
        yield f"{record.unfinished} sessions are unfinished and {record.unsent} replies unsent long after all is well"
    for session, journal in record.journals.items():
        for broken in _of_session(journal, seen):
            yield f"{session}: {broken}"
    yield from _replies(seen, record)


def _of_session(journal: list[Envelope], seen: Seen) -> Iterator[str]:
    yield from _in_order(journal)
    yield from _taken_once(journal)
    yield from _runs_end(journal)
    yield from _calls(journal, seen)
    yield from _approved(journal)


def _nothing_lost(seen: Seen, record: Record) -> Iterator[str]:
    kept: dict[str, tuple[str, str, int]] = {}
    for session, journal in record.journals.items():
        for envelope in journal:
            event = envelope.event
            if isinstance(event, MessageReceived) and event.dedupe_key and not _is_fork(journal):
                if event.dedupe_key in kept:
                    yield f"{event.dedupe_key} is kept twice"
                kept[event.dedupe_key] = (session, event.id, envelope.seq)
    for key, receipt in seen.acknowledged.items():
        if key not in kept:
            yield f"{key} was acknowledged and is lost"
        elif receipt and kept[key] != (receipt.session, receipt.message, receipt.seq):
            yield f"{key} was acknowledged as {receipt} and kept as {kept[key]}"
    if len(seen.acknowledged) != seen.said:
        yield f"{seen.said - len(seen.acknowledged)} messages were never acknowledged"


def _is_fork(journal: list[Envelope]) -> bool:
    return isinstance(journal[0].event, SessionStarted) and bool(journal[0].event.forked_from)


def _in_order(journal: list[Envelope]) -> Iterator[str]:
    if [envelope.seq for envelope in journal] != list(range(1, len(journal) + 1)):
        yield "its seqs have a gap"
    if not isinstance(journal[0].event, SessionStarted):
        yield "it does not begin with SessionStarted"


def _taken_once(journal: list[Envelope]) -> Iterator[str]:
    events = [envelope.event for envelope in journal]
    received = {event.id: event.text for event in events if isinstance(event, MessageReceived)}
    taken = Counter(
        message for event in events if isinstance(event, RunStarted | Steered) for message in event.messages
    )
    now = fold(journal)
    shown = Counter(message.text for message in now.messages if isinstance(message, UserMessage))
    for message, text in received.items():
        if taken[message] > 1 or (taken[message] == 0 and not now.ended):
            yield f"{text!r} was taken by {taken[message]} runs"
        if shown[text] != taken[message]:
            yield f"{text!r} is shown {shown[text]} times to the model"


def _runs_end(journal: list[Envelope]) -> Iterator[str]:
    running, interrupted = "", ""
    for envelope in journal:
        match envelope.event:
            case RunStarted(resumes=resumes):
                if running:
                    yield f"run {envelope.run} began during run {running}"
                if interrupted and resumes != interrupted:
                    yield f"run {interrupted} was interrupted and never resumed"
                running, interrupted = envelope.run, ""
            case RunFinished(reason=reason):
                if envelope.run != (running or interrupted):
                    yield f"run {envelope.run} finished during run {running or 'none'}"
                running, interrupted = "", envelope.run if reason == "interrupted" else ""
            case ModelResponded() | ToolCalled() | Steered() if envelope.run != running:
                yield f"run {envelope.run} did something during run {running or 'none'}"
    if running:
        yield f"run {running} never finished"
    if interrupted:
        yield f"run {interrupted} was interrupted and never resumed"


def _calls(journal: list[Envelope], seen: Seen) -> Iterator[str]:
    for envelope in journal:
        event = envelope.event
        if isinstance(event, ToolCalled) and event.rerun == "at_most_once":
            times = seen.effects["at_most_once", event.call.id]
            if times > 1:
                yield f"{event.call.id} took effect {times} times"
        if isinstance(event, ToolReturned) and not event.result.is_error:
            ran = [rerun for rerun, call_id in seen.effects if call_id == event.result.call_id]
            if not ran:
                yield f"{event.result.call_id} returned and had no effect"


def _approved(journal: list[Envelope]) -> Iterator[str]:
    """A call that was asked about starts only after a yes, which counts for this run alone; the first answer counts."""
    asked: dict[str, str] = {}
    answers: dict[str, str] = {}
    for envelope in journal:
        match envelope.event:
            case ApprovalAsked(id=name, call_id=call_id):
                asked[call_id] = name
            case ApprovalGiven(id=name, verdict=verdict):
                answers.setdefault(name, verdict)
            case ToolCalled(call=call) if call.id in asked and answers.get(asked[call.id]) != "allow":
                yield f"{call.id} started, and was answered with {answers.get(asked[call.id])}"
            case RunFinished():
                answers = dict.fromkeys(answers, "void")


def _replies(seen: Seen, record: Record) -> Iterator[str]:
    """What a conversation was told is what the journals of its sessions say, once and in order."""
    conversations: dict[str, list[list[Envelope]]] = {}
    for journal in record.journals.values():
        started = journal[0].event
        if isinstance(started, SessionStarted) and started.channel == "chat" and not started.forked_from:
            conversations.setdefault(started.conversation, []).append(journal)
    for conversation, journals in conversations.items():
        told = [_said(reply) for reply in seen.taken.values() if reply.conversation == conversation]
        said = [[text for text in map(_spoken, journal) if text] for journal in journals]
        refused = [_said(reply) for reply in seen.refused.values() if reply.conversation == conversation]
        if Counter(told + refused) != Counter(chain(*said)) or not all(
            _in_turn(texts, told, refused) for texts in said
        ):
            yield f"{conversation}: its sessions said {said} and it was told {told}"
        keys = Counter(key for key, reply in seen.taken.items() if reply.conversation == conversation)
        events = [envelope.event for envelope in chain(*journals)]
        sent = Counter(event.key for event in events if isinstance(event, MessageSent))
        if sent != keys:
            yield f"{conversation}: {keys.total()} replies were taken, {sent.total()} recorded as sent"
        given_up = Counter(event.key for event in events if isinstance(event, SendFailed))
        if given_up != Counter(key for key, reply in seen.refused.items() if reply.conversation == conversation):
            yield f"{conversation}: {len(refused)} replies were refused, {given_up.total()} recorded as given up"
    for key, times in seen.attempts.items():
        if times > MOST_ATTEMPTS:
            yield f"reply {key} was tried {times} times"
    for (rerun, call_id), times in seen.effects.items():
        if rerun == "at_most_once" and times > 1:
            yield f"{call_id} took effect {times} times"


def _in_turn(texts: list[str], told: list[str], refused: list[str]) -> bool:
    """Whether the texts are among what was told, in this order, but for those that were refused."""
    rest = iter(told)
    return all(text in refused or text in rest for text in texts)


def _said(reply: Reply) -> str:
    """Without what it rests on."""
    return reply.text.partition(READ)[0]


def _spoken(envelope: Envelope) -> str:
    match envelope.event:
        case ModelResponded(message=message):
            return message.text
        case RunFinished(reason=reason, detail=detail) if reason not in ("done", "interrupted"):
            return f"[{reason}] {detail}"
        case ApprovalAsked() | ApprovalGiven() as said:
            return spoken(said)
    return ""
