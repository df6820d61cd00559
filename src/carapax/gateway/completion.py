"""From a run's events to Chat Completions objects (https://platform.openai.com/docs/api-reference/chat). Pure.

What an agent does with its tools is shown, not asked for: a client never sees `tool_calls`, which it would have to
answer. Each event of a tool, and of a question about one, stands whole in the vendor field `carapax.event` of a chunk,
and as a line of `reasoning_content` for clients that show that.
"""

from typing import Literal

from msgspec import Struct

from carapax.errors import ModelUnavailable
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    Event,
    Finish,
    ModelResponded,
    RunFinished,
    StreamReset,
    TextDelta,
    ThinkingDelta,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import StopReason, Usage

FinishReason = Literal["stop", "length", "content_filter"]
_REASONS: dict[StopReason | Finish, FinishReason] = {
    "length": "length",
    "limit": "length",
    "filtered": "content_filter",
}


class PromptDetails(Struct, frozen=True):
    cached_tokens: int


class CompletionDetails(Struct, frozen=True):
    reasoning_tokens: int


class TokenUsage(Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Delta(Struct, frozen=True, omit_defaults=True):
    role: str = ""
    content: str | None = None
    reasoning_content: str | None = None


class ChunkChoice(Struct, frozen=True):
    delta: Delta
    finish_reason: FinishReason | None = None
    index: int = 0


class Vendor(Struct, frozen=True, omit_defaults=True):
    """What this gateway adds: the session, a tool event with its `seq`, and how the run ended if not simply done."""

    session: str = ""
    seq: int = 0
    event: Event | None = None
    events: list[Event] = []
    finish: Finish | None = None
    detail: str = ""


class Chunk(Struct, frozen=True, omit_defaults=True):
    id: str
    created: int
    model: str
    object: str
    choices: list[ChunkChoice]
    usage: TokenUsage | None = None
    carapax: Vendor | None = None


class Said(Struct, frozen=True, omit_defaults=True):
    role: str
    content: str
    reasoning_content: str | None = None


class Choice(Struct, frozen=True):
    message: Said
    finish_reason: FinishReason
    index: int


class Completion(Struct, frozen=True):
    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage
    carapax: Vendor


class Answer:
    """Folds the events of one run. `feed` gives what a streaming client is sent, who cannot be told to forget what is
    void and is told that it starts anew; `whole` what others get at the end, without what was void."""

    def __init__(self, name: str, created: int, model: str, session: str) -> None:
        self._id, self._created, self._model, self._session = name, created, model, session
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._events: list[Event] = []
        self._sent = ""
        """The text of the model answer under way that was sent."""
        self._gap = ""
        """What parts the next answer from what was sent before."""
        self._sure = (0, 0)
        """How many pieces of text and thoughts are of answers that are whole."""
        self._stop: StopReason | Finish = "end"
        self._finish: Finish = "done"
        self._detail = ""

    def begin(self) -> Chunk:
        return self._chunk(Delta("assistant", ""), vendor=Vendor(self._session))

    def feed(self, envelope: Envelope) -> list[Chunk]:
        """Chunks for one event of the run; none for most kinds. Raises ModelUnavailable when the run failed."""
        match envelope.event:
            case TextDelta(text=text):
                return [self._chunk(Delta(content=self._say(text)))]
            case ThinkingDelta(text=text):
                return [self._chunk(Delta(reasoning_content=self._think(text)))]
            case StreamReset():
                return self._start_anew()
            case ModelResponded(message=message):
                return self._answered(message.text, message.stop_reason)
            case ToolCalled(call=call) as event:
                return [self._tool(envelope.seq, event, f"{call.name} {call.arguments}\n")]
            case ToolReturned(result=result) as event:
                outcome = "failed" if result.is_error else "done"
                return [self._tool(envelope.seq, event, f"{result.name} {outcome}\n")]
            case ApprovalAsked(tool=tool, reason=why) as event:
                return [self._tool(envelope.seq, event, f"{tool} waits for a person's yes, because {why}\n")]
            case ApprovalGiven(verdict=verdict, by=by) as event:
                answered = f"{by} said {'yes' if verdict == 'allow' else 'no'}" if by else "nobody answered in time"
                return [self._tool(envelope.seq, event, f"{answered}\n")]
            case RunFinished(reason=reason, detail=detail):
                self._finished(reason, detail)
        return []

    def end(self) -> Chunk:
        """The last chunk, with the reason."""
        return self._chunk(Delta(), _REASONS.get(self._stop, "stop"), self._ending())

    def usage_chunk(self, usage: Usage) -> Chunk:
        return Chunk(self._id, self._created, self._model, "chat.completion.chunk", [], token_usage(usage))

    def whole(self, usage: Usage) -> Completion:
        said = Said("assistant", "".join(self._text), "".join(self._thoughts) or None)
        return Completion(
            self._id,
            "chat.completion",
            self._created,
            self._model,
            [Choice(said, _REASONS.get(self._stop, "stop"), 0)],
            token_usage(usage),
            self._ending(self._events),
        )

    def _say(self, text: str) -> str:
        """Text of one model answer after another is parted by an empty line."""
        gap = "" if self._sent else self._gap
        if not self._sent and self._text:
            self._text.append("\n\n")
        self._gap = "\n\n"
        self._sent += text
        self._text.append(text)
        return gap + text

    def _start_anew(self) -> list[Chunk]:
        text, thoughts = self._sure
        del self._text[text:], self._thoughts[thoughts:]
        if not self._sent:
            return []
        self._sent = ""
        return [self._chunk(Delta(content="\n\n[started anew]"))]

    def _think(self, text: str) -> str:
        self._thoughts.append(text)
        return text

    def _answered(self, text: str, stop: StopReason) -> list[Chunk]:
        """The kept answer says it all: what was not streamed of it comes now."""
        rest = text[len(self._sent) :] if text.startswith(self._sent) else ""
        chunks = [self._chunk(Delta(content=self._say(rest)))] if rest else []
        self._sent, self._stop = "", stop
        self._sure = len(self._text), len(self._thoughts)
        return chunks

    def _tool(self, seq: int, event: ToolCalled | ToolReturned | ApprovalAsked | ApprovalGiven, line: str) -> Chunk:
        self._events.append(event)
        chunk = self._chunk(Delta(reasoning_content=self._think(line)), vendor=Vendor(seq=seq, event=event))
        self._sure = len(self._text), len(self._thoughts)
        return chunk

    def _finished(self, reason: Finish, detail: str) -> None:
        if reason == "failed":
            raise ModelUnavailable(detail or "the run failed")
        if reason != "done":
            self._stop, self._finish, self._detail = reason, reason, detail

    def _ending(self, events: list[Event] | None = None) -> Vendor:
        finish = None if self._finish == "done" else self._finish
        return Vendor(self._session, events=events or [], finish=finish, detail=self._detail)

    def _chunk(self, delta: Delta, finish: FinishReason | None = None, vendor: Vendor | None = None) -> Chunk:
        choice = ChunkChoice(delta, finish)
        return Chunk(self._id, self._created, self._model, "chat.completion.chunk", [choice], carapax=vendor)


def token_usage(usage: Usage) -> TokenUsage:
    return TokenUsage(
        usage.input,
        usage.output,
        usage.input + usage.output,
        PromptDetails(usage.cache_read),
        CompletionDetails(usage.reasoning),
    )
