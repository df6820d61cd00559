"""What is said: to the gateway, from it, and between an agent and its model. Immutable, and written as JSON."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Trust = Literal["owner", "known", "stranger"]
OriginKind = Literal["owner", "known", "stranger", "web", "file", "tool", "agent"]
StopReason = Literal["end", "tool_calls", "length", "filtered", "paused"]
Effort = Literal["off", "low", "medium", "high"]

IMPORTED = "import"
"""The channel of sessions that were brought in from a file: nobody listens there."""
_CALLED: dict[OriginKind, str] = {
    "owner": "the owner",
    "known": "a known person",
    "stranger": "a stranger",
    "web": "the web page",
    "file": "the file",
    "tool": "the tool",
    "agent": "the agent",
}


class Sender(Struct, frozen=True, omit_defaults=True):
    """Who said it. `id` never changes and is unique within its channel; `name` is only for show."""

    id: str
    name: str = ""
    trust: Trust = "owner"


class Origin(Struct, frozen=True, omit_defaults=True):
    """Where something comes from that a session has read.

    `name` is the id of a person, the path of a file (empty for any of the workspace), the name of a tool or of another
    agent. Of what others have written, "web", it is the URL, or the name of the tool that brought it.
    """

    kind: OriginKind
    name: str = ""

    @property
    def trusted(self) -> bool:
        """Whether it may give orders."""
        return self.kind in ("owner", "known")

    def __str__(self) -> str:
        if self.kind == "web" and "://" not in self.name:
            return f"what {self.name} brought from outside"
        if self.kind == "file" and not self.name:
            return "the files of the workspace"
        return f"{_CALLED[self.kind]} {self.name}".rstrip()


class Attachment(Struct, frozen=True, omit_defaults=True):
    """A file that came with a message: its name and media type as it was declared, and the SHA-256 of its bytes in hex,
    under which they are kept. `data` holds the bytes only on the way in and on the way to a model."""

    name: str
    media_type: str
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Meta(ge=0)]
    data: bytes = b""


class Inbound(Struct, frozen=True, omit_defaults=True):
    """A message on its way in, whatever the door: the browser, the terminal, REST, a chat app.

    `conversation` is the channel's own name for where it was said. A `dedupe_key` seen before on the same channel, on
    that of the API from the same sender, marks a repetition, which is acknowledged and dropped.
    """

    channel: str
    conversation: str
    sender: Sender
    text: str
    reply_to: str | None = None
    dedupe_key: str | None = None
    attachments: tuple[Attachment, ...] = ()


class Outbound(Struct, frozen=True, omit_defaults=True):
    """A message on its way out to a chat channel. `key` stays the same when it is sent again."""

    channel: str
    conversation: str
    text: str
    key: str
    reply_to: str | None = None


class Receipt(Struct, frozen=True):
    """Proof that a message is kept: where it is, and whether it had been accepted before."""

    session: str
    message: str
    seq: int
    duplicate: bool = False


class ToolSpec(Struct, frozen=True):
    """A tool as a model sees it; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Text(Struct, frozen=True, tag="text", tag_field="type", omit_defaults=True):
    text: str
    vendor: dict[str, Any] = {}


class Thinking(Struct, frozen=True, tag="thinking", tag_field="type", omit_defaults=True):
    """What the model thought. `vendor` holds what the vendor wants back unchanged: signatures, sealed blocks."""

    text: str
    vendor: dict[str, Any] = {}


class ToolCall(Struct, frozen=True, tag="tool_call", tag_field="type", omit_defaults=True):
    """A tool the model wants run.

    `arguments` is the JSON text as the model wrote it, which may be malformed: whoever runs the call checks it.
    """

    id: str
    name: str
    arguments: str
    vendor: dict[str, Any] = {}


Part = Text | Thinking | ToolCall


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens. `input` counts all of the prompt, of which `cache_read`, `cache_write` and `tool` (what tools at the
    vendor's gave to the model) are parts; `output` counts all that was generated, of which `reasoning` is a part."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    tool: int = 0


class UserMessage(Struct, frozen=True, tag="user", tag_field="role", omit_defaults=True):
    text: str
    sender: str = ""
    attachments: tuple[Attachment, ...] = ()


class AssistantMessage(Struct, frozen=True, tag="assistant", tag_field="role", omit_defaults=True):
    """One answer of a model: its parts in the order they came, why it stopped (`stop_detail` is the vendor's own
    word), what it cost, and which model of which provider gave it."""

    parts: tuple[Part, ...]
    stop_reason: StopReason = "end"
    usage: Usage = Usage()
    provider: str = ""
    model: str = ""
    stop_detail: str = ""

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def thinking(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Thinking))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


class ToolResult(Struct, frozen=True, tag="tool", tag_field="role", omit_defaults=True):
    """What a call gave back. With `is_error` the text says what went wrong, to the model."""

    call_id: str
    name: str
    text: str
    is_error: bool = False


Message = UserMessage | AssistantMessage | ToolResult


class ModelRequest(Struct, frozen=True):
    """All that a model needs for one answer. `model` is the vendor's own name for it.

    Every `ToolCall` of an assistant message is followed by its `ToolResult`, in the order asked.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int | None = None
    temperature: float | None = None
    effort: Effort = "off"
    stream: bool = True


class ModelInfo(Struct, frozen=True):
    """What is known of a model; `context_tokens` is how much it can read and write in one request."""

    name: str
    context_tokens: int = 128_000
