"""What happened. Everything that happens in a session is one of these, and its journal keeps them for ever.

Kept events get a `seq`: 1, 2, 3 ... within their session, without a gap. Streamed events (`Streamed`) are shown to
whoever watches and then gone: the kept event that follows says the same in full.
"""

from typing import Any, Literal

from msgspec import Struct

from carapax.messages import AssistantMessage, Attachment, Origin, Sender, ToolCall, ToolResult

QueueMode = Literal["steer", "followup", "collect"]
Finish = Literal["done", "cancelled", "failed", "limit", "loop", "interrupted"]
Rerun = Literal["pure", "idempotent", "transactional", "at_most_once"]
Scope = Literal["once", "session", "always"]


def _kind(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


class _Event(Struct, frozen=True, tag_field="kind", tag=_kind, omit_defaults=True, gc=False):
    pass


class SessionStarted(_Event, frozen=True):
    """`channel` and `conversation` say where replies go. A fork names the session and `seq` it was copied from.
    `origins` says whose words the session holds from the beginning on: those of the file that it was imported from."""

    agent: str
    channel: str
    conversation: str
    model: str = ""
    forked_from: str = ""
    forked_at: int = 0
    origins: tuple[Origin, ...] = ()


class MessageReceived(_Event, frozen=True):
    """A message was accepted. From now on it is never lost; a run takes it by `id`. `model` is the one that it asks
    for, if any, in place of the session's. `marks` names the patterns of orders to agents that it has. `trace` is the
    `traceparent` of the call that brought it."""

    id: str
    sender: Sender
    text: str
    channel: str
    conversation: str
    reply_to: str | None = None
    dedupe_key: str | None = None
    attachments: tuple[Attachment, ...] = ()
    model: str = ""
    marks: tuple[str, ...] = ()
    trace: str = ""


class RunStarted(_Event, frozen=True):
    """A run began with these received messages. One that goes on after a crash names the run it `resumes`."""

    agent: str
    model: str
    messages: tuple[str, ...] = ()
    resumes: str = ""
    attempt: int = 1


class Steered(_Event, frozen=True):
    """The run took these messages, which had arrived while it was under way."""

    messages: tuple[str, ...]


class ModelResponded(_Event, frozen=True):
    message: AssistantMessage


class ToolCalled(_Event, frozen=True):
    """A call is about to run. `rerun` says what may be done if no `ToolReturned` follows."""

    call: ToolCall
    rerun: Rerun = "at_most_once"


class ToolReturned(_Event, frozen=True):
    """What the call gave, whole up to 1 MB; the model may see less. `elapsed_s` is 0 for a call that never ran.
    `origins` says whose words it may hold, `found` whether a search found it in which nobody else had a hand."""

    result: ToolResult
    elapsed_s: float = 0.0
    origins: tuple[Origin, ...] = ()
    found: bool = False


class Grant(Struct, frozen=True, omit_defaults=True):
    """Calls that a yes covers besides the one that was asked about: of `tool`, with just these `arguments`.

    `whole` when they may have no others. With a `site` (scheme, host and port) their `url` is any there. `files` are
    the files of the workspace that the arguments name, each with the SHA-256 of what it held; the calls are covered
    while that is so, or without it whatever they hold.
    """

    tool: str
    arguments: dict[str, Any] = {}
    whole: bool = False
    site: str = ""
    files: dict[str, str] | None = None


class Offer(Struct, frozen=True):
    """A yes for more than one call. `text` says what it would cover: in this session ("session"), or in all sessions of
    the agent until it is taken back ("always")."""

    scope: Scope
    text: str
    grant: Grant


class ApprovalAsked(_Event, frozen=True):
    """A call waits for a person's yes, until `expires_at` or the end of its run. `shown` is what would run, whole, and
    `digest` the SHA-256 in hex that binds the yes to it; `nonce` names it in a chat. `rule` and `reason` say why a
    person is asked, `origins` what the session has read from others. `offers` is what a yes may be given for besides
    this call."""

    id: str
    call_id: str
    tool: str
    shown: str
    digest: str
    nonce: str
    rule: str
    reason: str
    expires_at: float
    origins: tuple[Origin, ...] = ()
    offers: tuple[Offer, ...] = ()


class ApprovalGiven(_Event, frozen=True):
    """The answer to the ApprovalAsked with this `id`; there is one at most. `by` is who gave it, empty when nobody did
    in time. With another `scope` than "once" a yes covers what was offered for it."""

    id: str
    verdict: Literal["allow", "deny"]
    by: str = ""
    scope: Scope = "once"


class Vouched(_Event, frozen=True):
    """A person answers for all that the session had read by the event `upto`: it counts as the owner's words from now
    on. `by` is who it was."""

    upto: int
    by: str


class StateChanged(_Event, frozen=True):
    """A named value of the session is now this; the last one by `seq` counts."""

    key: str
    value: Any


class HistoryCompacted(_Event, frozen=True):
    """What the model is shown of everything up to and with `upto` is from now on these facts and this summary."""

    upto: int
    facts: tuple[str, ...]
    summary: str


class MessageSent(_Event, frozen=True):
    """The channel took the reply with this outbox `key`; `receipt` is the channel's own name for it."""

    key: str
    receipt: str = ""


class SendFailed(_Event, frozen=True):
    """The channel refused the reply with this outbox `key` for good, and why; it is not tried again."""

    key: str
    error: str


class BudgetReached(_Event, frozen=True):
    """A call of this session brought what was spent to so many percent of a budget: 50, 80 or 100, each told once a day
    or month. `budget` is "daily" or "monthly", with " of " and its name for the budget of one agent."""

    budget: str
    percent: int
    spent_usd: float
    limit_usd: float


class RunFinished(_Event, frozen=True):
    """The run ended. For every reason but `done`, `detail` tells a person why and what to do."""

    reason: Finish
    detail: str = ""


class SessionEnded(_Event, frozen=True):
    reason: str = ""


Kept = (
    SessionStarted
    | MessageReceived
    | RunStarted
    | Steered
    | ModelResponded
    | ToolCalled
    | ToolReturned
    | ApprovalAsked
    | ApprovalGiven
    | Vouched
    | StateChanged
    | HistoryCompacted
    | MessageSent
    | SendFailed
    | BudgetReached
    | RunFinished
    | SessionEnded
)


class TextDelta(_Event, frozen=True):
    text: str


class ThinkingDelta(_Event, frozen=True):
    text: str


class ToolArgumentsDelta(_Event, frozen=True):
    """More of a tool call. `index` counts the calls of one answer; `id` and `name` come with the first piece."""

    index: int
    text: str
    id: str = ""
    name: str = ""


class ToolProgress(_Event, frozen=True):
    """Output of a call that is still running."""

    call_id: str
    text: str


class StreamReset(_Event, frozen=True):
    """The answer that was streaming is void; what follows starts it anew."""

    reason: str = ""


Delta = TextDelta | ThinkingDelta | ToolArgumentsDelta
Streamed = TextDelta | ThinkingDelta | ToolArgumentsDelta | ToolProgress | StreamReset
Event = Kept | Streamed


class Envelope(Struct, frozen=True, omit_defaults=True, gc=False):
    """An event in its place. A streamed event carries the `seq` of the kept event before it. `at` is in seconds
    since 1970."""

    seq: int
    session: str
    at: float
    event: Event
    run: str = ""
