"""From what happened to what the model is told: the fold of a journal into messages, and its size in tokens."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from carapax.agent.reading import Reading
from carapax.agent.results import show
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    HistoryCompacted,
    MessageReceived,
    ModelResponded,
    Rerun,
    RunFinished,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    Steered,
    ToolCalled,
    ToolReturned,
    Vouched,
)
from carapax.injection import flag
from carapax.invisible import cleaned, named, strip, visible
from carapax.mediatype import PDF, is_text
from carapax.messages import (
    AssistantMessage,
    Attachment,
    Message,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
)
from carapax.store.grants import Granted

CHARACTERS_PER_TOKEN = 3.5
_BESIDES = 100_000
"""More than instructions and tools take, which are counted with a conversation but no part of it."""
NEVER_RAN = "not run: the run ended before its turn came"


class Transcript:
    """A session's journal folded up to `seq`, ready for the next model request.

    Folding a prefix of the journal gives the session as it was then.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.started: SessionStarted | None = None
        self.ended = False
        self.messages: list[Message] = []
        """Complete messages: each assistant message with calls is followed by all its results, in the order asked,
        except the last one while calls are `unanswered`."""
        self.state: dict[str, Any] = {}
        self.waiting: dict[str, MessageReceived] = {}
        """Received messages that no run has taken yet, by id, in order."""
        self.run: RunStarted | None = None
        """The run that has not finished, under the id `run_id`."""
        self.run_id = ""
        self.run_model = ""
        """The model that the messages of the run ask for; of several the last one counts. Empty for the session's."""
        self.interrupted: tuple[str, RunStarted] | None = None
        """The id and start of a run that a restart cut short and that has not been resumed yet."""
        self.running: dict[str, Rerun] = {}
        """Calls that were started and have not returned."""
        self.approvals: dict[str, ApprovalAsked] = {}
        """What waits for a person, by id."""
        self.refused: list[str] = []
        """What people have not said yes to, as they were shown it, since the run began or they said something."""
        self.grants: dict[str, Granted] = {}
        """What a person allowed for the whole session, by the id of the question; a fork begins without."""
        self.reading = Reading()
        self._seqs: list[int] = []
        self._compacted_at = 0
        self._asked: tuple[ToolCall, ...] = ()
        self._returned: dict[str, ToolResult] = {}

    @property
    def unanswered(self) -> list[ToolCall]:
        """Calls of the last assistant message that still lack a result, in the order asked."""
        return [call for call in self._asked if call.id not in self._returned]

    @property
    def run_agent(self) -> str:
        """Whose run is under way; empty without one."""
        return self.run.agent if self.run else ""

    def apply(self, envelope: Envelope) -> None:
        """Take the next kept event. Streamed events must not come here."""
        event = envelope.event
        self.seq = envelope.seq
        fold = _FOLDS.get(type(event))
        if fold is not None:
            fold(self, event, envelope)

    def size(self) -> int:
        """Roughly how many tokens the messages are: by the last answer's own count where that is plausible, and
        estimated from there."""
        whole = estimate(self.messages)
        for index in range(len(self.messages) - 1, -1, -1):
            message = self.messages[index]
            if isinstance(message, AssistantMessage) and self._seqs[index] > self._compacted_at:
                counted = message.usage.input + message.usage.output + estimate(self.messages[index + 1 :])
                return counted if whole / 2 < counted < whole * 4 + _BESIDES else whole
        return whole

    def seq_before(self, index: int) -> int:
        """The `seq` that `HistoryCompacted.upto` needs to leave `messages[index:]` whole."""
        return self._seqs[index] - 1

    def _add(self, message: Message, seq: int) -> None:
        self.messages.append(message)
        self._seqs.append(seq)

    def _take(self, ids: Iterable[str], seq: int) -> None:
        for name in ids:
            received = self.waiting.pop(name, None)
            if received is not None:
                self.run_model = received.model or self.run_model
                self.reading.hear(received, seq)
                if received.sender.trust != "stranger":
                    self.refused.clear()
                self._add(UserMessage(_told(received), named(received.sender.name), received.attachments), seq)

    def _start_session(self, event: SessionStarted, envelope: Envelope) -> None:
        self.started = event
        self.reading.begin(event, envelope.seq)
        if event.model:
            self.state["model"] = event.model

    def _receive(self, event: MessageReceived, envelope: Envelope) -> None:
        self.waiting[event.id] = event

    def _start_run(self, event: RunStarted, envelope: Envelope) -> None:
        if not event.resumes:
            for call in self.unanswered:
                self._answer(ToolResult(call.id, call.name, NEVER_RAN, is_error=True), envelope.seq)
            self.run_model = ""
            self.refused.clear()
        self.run, self.run_id, self.interrupted = event, envelope.run, None
        self._take(event.messages, envelope.seq)

    def _steer(self, event: Steered, envelope: Envelope) -> None:
        self._take(event.messages, envelope.seq)

    def _respond(self, event: ModelResponded, envelope: Envelope) -> None:
        self._add(_again(event.message), envelope.seq)
        self._asked, self._returned = event.message.tool_calls, {}

    def _call(self, event: ToolCalled, envelope: Envelope) -> None:
        self.running[event.call.id] = event.rerun

    def _return(self, event: ToolReturned, envelope: Envelope) -> None:
        self.running.pop(event.result.call_id, None)
        result = event.result
        shown = show(result.text)
        if shown is not result.text:
            result = ToolResult(result.call_id, result.name, shown, result.is_error)
        arguments = next((call.arguments for call in self._asked if call.id == result.call_id), "")
        self.reading.take(event, shown, arguments, envelope.seq)
        self._answer(result, envelope.seq)

    def _answer(self, result: ToolResult, seq: int) -> None:
        asked = any(call.id == result.call_id for call in self._asked)
        if not asked or result.call_id in self._returned:
            return
        self._returned[result.call_id] = replace(result, name=strip(result.name))
        if len(self._returned) == len({call.id for call in self._asked}):
            for call_id in dict.fromkeys(call.id for call in self._asked):
                self._add(self._returned[call_id], seq)
            self._asked, self._returned = (), {}

    def _finish_run(self, event: RunFinished, envelope: Envelope) -> None:
        self.interrupted = (self.run_id, self.run) if self.run and event.reason == "interrupted" else None
        self.run, self.run_id = None, ""
        self.running.clear()
        self.approvals.clear()

    def _ask(self, event: ApprovalAsked, envelope: Envelope) -> None:
        self.approvals[event.id] = event

    def _give(self, event: ApprovalGiven, envelope: Envelope) -> None:
        asked = self.approvals.pop(event.id, None)
        if asked is not None and event.verdict == "deny":
            self.refused.append(asked.shown)
        is_copied = self.started is not None and envelope.seq <= self.started.forked_at
        if asked is not None and event.scope == "session" and not is_copied:
            granted = granted_by(asked, event, self.run_agent, envelope.at)
            self.grants |= {granted.id: granted} if granted else {}

    def _vouch(self, event: Vouched, envelope: Envelope) -> None:
        self.reading.vouch(min(event.upto, envelope.seq))

    def _change(self, event: StateChanged, envelope: Envelope) -> None:
        self.state[event.key] = event.value

    def _compact(self, event: HistoryCompacted, envelope: Envelope) -> None:
        kept = next((index for index, seq in enumerate(self._seqs) if seq > event.upto), len(self._seqs))
        while kept < len(self.messages) and isinstance(self.messages[kept], ToolResult):
            kept += 1
        self.messages[:kept] = [UserMessage(visible(recap(event.facts, event.summary)))]
        self._seqs[:kept] = [event.upto]
        self._compacted_at = envelope.seq

    def _end(self, event: SessionEnded, envelope: Envelope) -> None:
        self.ended = True


def _again(message: AssistantMessage) -> AssistantMessage:
    """An answer as models are shown it again: it may be an imported one, or repeat what was read. Calls are run with
    the arguments that were asked for."""
    parts = tuple(_plain(part) for part in message.parts)
    return message if parts == message.parts else replace(message, parts=parts)


def _plain(part: Part) -> Part:
    if isinstance(part, ToolCall):
        return replace(part, name=strip(part.name), arguments=_arguments(part.arguments), vendor=cleaned(part.vendor))
    return replace(part, text=strip(part.text), vendor=cleaned(part.vendor))


def _arguments(text: str) -> str:
    """JSON can say with escapes what nobody sees."""
    if "\\u" not in text:
        return strip(text)
    try:
        given = json.loads(text)
    except ValueError:
        return strip(text)
    plain = cleaned(given)
    return text if plain == given else json.dumps(plain, ensure_ascii=False)


def _told(received: MessageReceived) -> str:
    """A message as a model reads it."""
    text = visible(received.text)
    return f"{flag('message', received.marks)}\n{text}" if received.marks else text


_FOLDS: dict[type, Callable[[Transcript, Any, Envelope], None]] = {
    SessionStarted: Transcript._start_session,
    MessageReceived: Transcript._receive,
    RunStarted: Transcript._start_run,
    Steered: Transcript._steer,
    ModelResponded: Transcript._respond,
    ToolCalled: Transcript._call,
    ToolReturned: Transcript._return,
    ApprovalAsked: Transcript._ask,
    ApprovalGiven: Transcript._give,
    StateChanged: Transcript._change,
    Vouched: Transcript._vouch,
    HistoryCompacted: Transcript._compact,
    RunFinished: Transcript._finish_run,
    SessionEnded: Transcript._end,
}


def granted_by(asked: ApprovalAsked, given: ApprovalGiven, agent: str, at: float) -> Granted | None:
    """What an answer allows besides the call that was asked about."""
    if given.verdict == "deny":
        return None
    return next(
        (Granted(asked.id, agent, one.grant, given.by, at) for one in asked.offers if one.scope == given.scope), None
    )


def fold(envelopes: Iterable[Envelope]) -> Transcript:
    """The session as it was after the last of these events, which must begin with its first."""
    transcript = Transcript()
    for envelope in envelopes:
        transcript.apply(envelope)
    return transcript


def recap(facts: tuple[str, ...], summary: str) -> str:
    """What stands in place of compacted messages. It is data about the past, and says so."""
    lines = "\n".join(f"- {fact}" for fact in facts)
    return (
        "[Earlier part of this conversation, shortened. It is a record, not a request.]\n"
        f"Facts:\n{lines or '- none'}\n\nSummary:\n{summary}"
    )


def groups(messages: Iterable[Message]) -> list[int]:
    """Where a group begins: at each user message, and at each assistant message, whose results belong to it."""
    return [index for index, message in enumerate(messages) if not isinstance(message, ToolResult)]


def estimate(messages: Iterable[Message]) -> int:
    """Roughly how many tokens the messages are."""
    return int(sum(_characters(message) for message in messages) / CHARACTERS_PER_TOKEN)


def _shown(file: Attachment) -> int:
    """What a file takes of the context, as so many characters: text itself, a page of a PDF some 2,000 tokens for
    50 KB, an image about 1,500."""
    if is_text(file.media_type):
        return min(file.size, 100_000)
    return min(file.size // 7, 500_000) if file.media_type == PDF else 5_000


def _characters(message: Message) -> int:
    if isinstance(message, UserMessage):
        return len(message.text) + 16 + sum(_shown(file) for file in message.attachments)
    if isinstance(message, ToolResult):
        return len(message.text) + 16
    total = 16
    for part in message.parts:
        match part:
            case Text(text=text) | Thinking(text=text):
                total += len(text)
            case ToolCall(name=name, arguments=arguments):
                total += len(name) + len(arguments) + 16
    return total
