"""Files that came with messages, shown to models as far as they can see them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Literal

from msgspec.structs import replace

from carapax.agent.wrapper import Wrapper
from carapax.contracts import Provider
from carapax.errors import ContextOverflow, ModelRejected, NotFound
from carapax.events import Delta, StreamReset
from carapax.invisible import named, visible
from carapax.mediatype import IMAGES, PDF, is_text
from carapax.messages import AssistantMessage, Attachment, Message, ModelRequest, UserMessage

MOST_BYTES = 20_000_000
LONGEST_TEXT = 100_000
Read = Callable[[str], Awaitable[bytes]]
Takes = Callable[[str, Literal["images", "documents"]], bool | None]


class Attached(Wrapper):
    """A provider that is given the files of a conversation with it.

    Text goes into the message; images and PDFs go along with it, the newest first up to 20 MB in all, unless `takes`
    says that the model cannot see them (None: nobody knows, so it is tried). What is not shown is named. When the
    vendor refuses a request with files, it is asked once more without: a file that it cannot read must not end the
    conversation.
    """

    def __init__(self, provider: Provider, read: Read, takes: Takes) -> None:
        super().__init__(provider)
        self._read = read
        self._takes = takes

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        if not any(isinstance(message, UserMessage) and message.attachments for message in request.messages):
            shown = request
        else:
            shown = replace(request, messages=await self._filled(request))
        try:
            async with aclosing(self._provider.stream(shown)) as stream:
                async for item in stream:
                    yield item
            return
        except (ModelRejected, ContextOverflow) as error:
            bare = replace(shown, messages=tuple(_without(message, error.message) for message in shown.messages))
            too_large = error.status == 413  # of a body, which files make large
            kept = error.status == 404 or (isinstance(error, ContextOverflow) and not too_large)
            if kept or bare.messages == shown.messages:
                raise
        yield StreamReset("the vendor refused the request with its files and is asked without them")
        async with aclosing(self._provider.stream(bare)) as stream:
            async for item in stream:
                yield item

    async def _filled(self, request: ModelRequest) -> tuple[Message, ...]:
        """From the newest message back, so that what no longer fits is what came first."""
        left = MOST_BYTES
        filled: list[Message] = []
        for message in reversed(request.messages):
            if isinstance(message, UserMessage) and message.attachments:
                message, left = await self._fill(message, request.model, left)
            filled.append(message)
        return tuple(reversed(filled))

    async def _fill(self, message: UserMessage, model: str, left: int) -> tuple[UserMessage, int]:
        shown: list[Attachment] = []
        words = [message.text]
        for file in message.attachments:
            why = self._hidden(file, model, left)
            try:
                data = b"" if why else await self._read(file.digest)
            except NotFound:
                why, data = "it is not kept here", b""
            if why:
                words.append(_note(file, why))
            elif is_text(file.media_type):
                words.append(_quoted(file, data))
            else:
                shown.append(replace(file, data=data))
                left -= len(data)
        return UserMessage(_joined(words), message.sender, tuple(shown)), left

    def _hidden(self, file: Attachment, model: str, left: int) -> str:
        """Why a file is not shown, or nothing."""
        if is_text(file.media_type):
            return ""
        kind: Literal["images", "documents"] = "images" if file.media_type in IMAGES else "documents"
        if kind == "documents" and file.media_type != PDF:
            return "models cannot read such files"
        if self._takes(model, kind) is False:
            return f"this model takes no {kind}"
        return "the files of this conversation are too many" if file.size > left else ""


def _joined(words: list[str]) -> str:
    return "\n\n".join(word for word in words if word)


def _quoted(file: Attachment, data: bytes) -> str:
    text = visible(data[:LONGEST_TEXT].decode(errors="replace"))
    cut = f"\n[... {len(data) - LONGEST_TEXT} more bytes]" if len(data) > LONGEST_TEXT else ""
    return f"[file {named(file.name) or 'without a name'}, {file.media_type}]\n{text}{cut}\n[end of the file]"


def _note(file: Attachment, why: str) -> str:
    return f"[file {named(file.name) or 'without a name'}, {file.media_type}, {file.size} bytes: not shown, {why}]"


def _without(message: Message, why: str) -> Message:
    if not isinstance(message, UserMessage) or not message.attachments:
        return message
    notes = [_note(file, f"the vendor refused it: {visible(why)}") for file in message.attachments]
    return UserMessage(_joined([message.text, *notes]), message.sender)
