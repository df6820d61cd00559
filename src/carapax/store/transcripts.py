"""A session's events as a whole: read from a file, and closed where they stop in the middle of a run."""

import re
from collections.abc import AsyncIterator, Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from carapax.errors import InvalidRequest
from carapax.events import (
    ApprovalGiven,
    Kept,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    Vouched,
)
from carapax.messages import IMPORTED, Origin, ToolCall, ToolResult
from carapax.store.records import Stored

UNKNOWN_OUTCOME = (
    "The call was cut short, so its outcome is unknown: it may have taken effect. Check before you do it again."
)

FILE = Origin("file", "an imported session")


class _Line(Struct, frozen=True):
    seq: int
    session: str
    at: float
    event: Kept
    run: str = ""


_NULL = re.compile(rb"\0|(?<!\\)(?:\\\\)*\\u0000")
_decode = msgspec.json.Decoder(_Line).decode


def cut_short(call: ToolCall) -> ToolResult:
    """What a call gives that was started and will not return."""
    return ToolResult(call.id, call.name, UNKNOWN_OUTCOME, is_error=True)


async def parsed(lines: AsyncIterator[bytes]) -> list[Stored]:
    """The events of a file of JSON lines, as `export` writes them. Raises InvalidRequest that names the line.

    Anybody may have written the file: nothing in it has authority.
    """
    events: list[Stored] = []
    session = ""
    number = 0
    async for text in lines:
        number += 1
        if not text.strip():
            continue
        if _NULL.search(text):
            raise _wrong(number, "it has a null byte")
        try:
            line = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _wrong(number, str(error)) from error
        except RecursionError as error:
            raise _wrong(number, "nested too deep") from error
        session = session or line.session
        _check(number, line, session, len(events) + 1)
        events.append(Stored(line.at, _without_authority(line.event), line.run))
    if not events:
        raise InvalidRequest("the file holds no events", "take one that `carapax sessions export` has written")
    return events


def _check(number: int, line: _Line, session: str, seq: int) -> None:
    if line.seq != seq:
        raise _wrong(number, f"seq is {line.seq} where {seq} should follow")
    if line.session != session:
        raise _wrong(number, f"is of session {line.session!r}, those before of {session!r}")
    if isinstance(line.event, SessionStarted) != (seq == 1):
        raise _wrong(number, "a session has one session_started, as its first event")


def _without_authority(event: Kept) -> Kept:
    """A file allows nothing: all of it is words of others, also what it says that an agent said; its messages are a
    stranger's and its results not the owner's data, what it says that people allowed or answered for does not count,
    and it takes over no conversation."""
    match event:
        case SessionStarted():
            return replace(event, channel=IMPORTED, conversation="", origins=(FILE,))
        case MessageReceived(sender=sender):
            return replace(event, sender=replace(sender, trust="stranger"), channel=IMPORTED, conversation="")
        case ToolReturned(result=result, origins=origins):
            others = tuple(origin for origin in origins if not origin.trusted) or (Origin("tool", result.name),)
            return replace(event, origins=others, found=False)
        case ApprovalGiven():
            return replace(event, scope="once")
        case Vouched():
            return replace(event, upto=0)
        case _:
            return event


def _wrong(number: int, what: str) -> InvalidRequest:
    return InvalidRequest(f"line {number}: {what}", "nothing was imported")


def closing(events: Iterable[Stored], why: str) -> list[tuple[Kept, str]]:
    """The events, each with its run, that close what is open at the end: answers for tool calls without one, and the
    end of the run. Empty when nothing is open."""
    run = ""
    open_calls: dict[str, tuple[ToolCall, str]] = {}
    for stored in events:
        match stored.event:
            case RunStarted():
                run = stored.run
            case ModelResponded(message=message):
                open_calls |= {call.id: (call, stored.run) for call in message.tool_calls}
            case ToolCalled(call=call):
                open_calls[call.id] = (call, stored.run)
            case ToolReturned(result=result):
                open_calls.pop(result.call_id, None)
            case RunFinished(reason=reason) if reason != "interrupted":
                run = ""
                open_calls.clear()
            case _:
                pass
    answers: list[tuple[Kept, str]] = [(ToolReturned(cut_short(call)), of) for call, of in open_calls.values()]
    return [*answers, (RunFinished("cancelled", why), run)] if run else answers
