"""Keeps a long conversation within what its model can take. The journal keeps all of it."""

from contextlib import aclosing

from carapax.agent.context import CHARACTERS_PER_TOKEN, Transcript, estimate, groups
from carapax.contracts import Provider
from carapax.errors import ModelError
from carapax.events import HistoryCompacted
from carapax.messages import AssistantMessage, Message, ModelRequest, ToolResult, UserMessage

FULL_AT = 0.95
KEEP = 0.25
TRIM_TO = 0.7
_FACTS = (
    "List what must not be forgotten from this conversation: names, numbers, decisions, files, promises, preferences, "
    "what is still to do. One fact a line, no more than 30 lines, nothing else."
)
_SUMMARY = "Summarise this conversation in at most 300 words: what was asked, what was done, what came of it."


def compactable(transcript: Transcript) -> bool:
    """Whether there is more to leave out than one message, which a summary would hardly shorten."""
    return (_cut(transcript, 0) or 0) > 1


async def compact(
    transcript: Transcript, provider: Provider, model: str, context_tokens: int, *, full: bool = True
) -> HistoryCompacted:
    """Have the model write down the facts and then a summary of all but the last groups, which stay whole: a quarter
    of what the model can take, or where the conversation is not `full` yet, of what there is.

    Raises ModelError when the model cannot, or when there is nothing to leave out.
    """
    cut = _cut(transcript, int((context_tokens if full else transcript.size()) * KEEP))
    if cut is None:
        raise ModelError("nothing of the conversation can be left out")
    text = _as_text(transcript.messages[:cut], int(context_tokens * 0.6 * CHARACTERS_PER_TOKEN))
    facts = await _ask(provider, model, _FACTS, text)
    summary = await _ask(provider, model, _SUMMARY, text)
    if not summary.strip():
        raise ModelError("the model gave no summary")
    listed = tuple(line.strip("-* \t") for line in facts.splitlines() if line.strip("-* \t"))[:30]
    return HistoryCompacted(transcript.seq_before(cut), listed, summary.strip())


def trim(messages: list[Message], context_tokens: int) -> list[Message]:
    """The last groups that fit, as they are; an oversized last group with its longest results shortened."""
    limit = int(context_tokens * TRIM_TO)
    starts = groups(messages)
    if not starts:
        return list(messages)
    kept = messages[_first_that_fits(messages, starts, limit) :]
    share = max(500, int(limit * CHARACTERS_PER_TOKEN / max(1, len(kept))))
    if estimate(kept) > limit:
        kept = [_shorten(message, share) for message in kept]
    if isinstance(kept[0], AssistantMessage):
        kept.insert(0, UserMessage("[The earlier part of this conversation was left out for its length.]"))
    return kept


def _cut(transcript: Transcript, keep_tokens: int) -> int | None:
    """The index that parts what is summarised from what is kept: the last group and what fits before it."""
    starts = [index for index in groups(transcript.messages) if index > 0]
    return _first_that_fits(transcript.messages, starts, keep_tokens) if starts else None


def _first_that_fits(messages: list[Message], starts: list[int], tokens: int) -> int:
    """The first of these indices from which on the messages have at most so many tokens, or the last of them."""
    first, size, end = starts[-1], 0, len(messages)
    for start in reversed(starts):
        size += estimate(messages[start:end]) + 1
        if size > tokens:
            break
        first, end = start, start
    return first


async def _ask(provider: Provider, model: str, task: str, text: str) -> str:
    request = ModelRequest(model, (UserMessage(f"{task}\n\n<conversation>\n{text}\n</conversation>"),), stream=False)
    async with aclosing(provider.stream(request)) as stream:
        async for item in stream:
            if isinstance(item, AssistantMessage):
                return item.text
    raise ModelError("the model gave no answer", model=model)


def _as_text(messages: list[Message], limit: int) -> str:
    share = max(200, limit // max(1, len(messages)))
    return _middle_out("\n\n".join(_line(message, share) for message in messages), limit)


def _line(message: Message, share: int) -> str:
    match message:
        case UserMessage(text=text, sender=sender):
            return f"{sender or 'Person'}: {_middle_out(text, share)}"
        case ToolResult(name=name, text=text):
            return f"Result of {name}: {_middle_out(text, share)}"
        case AssistantMessage():
            calls = "".join(f"\n[calls {call.name} {call.arguments[:500]}]" for call in message.tool_calls)
            return f"Agent: {_middle_out(message.text, share)}{calls}"


def _shorten(message: Message, share: int) -> Message:
    match message:
        case ToolResult(call_id=call_id, name=name, text=text, is_error=is_error):
            return ToolResult(call_id, name, _middle_out(text, share), is_error)
        case UserMessage(text=text, sender=sender):
            return UserMessage(_middle_out(text, share), sender)
        case AssistantMessage():
            return message


def _middle_out(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
