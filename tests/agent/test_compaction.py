from hypothesis import given
from hypothesis import strategies as st

from carapax.agent.compaction import TRIM_TO, compact, trim
from carapax.agent.context import estimate, fold
from carapax.errors import ModelError
from carapax.events import Envelope, HistoryCompacted, Kept, MessageReceived, ModelResponded, RunStarted
from carapax.messages import AssistantMessage, Message, Sender, Text, ToolCall, ToolResult, UserMessage
from carapax.testing import ScriptedProvider
from tests.running import run


def conversation(turns: int, words: int = 100) -> list[Envelope]:
    events: list[Kept] = []
    for number in range(turns):
        name = f"m{number}"
        events.append(MessageReceived(name, Sender("ann"), f"question {number} " + "word " * words, "test", ""))
        events.append(RunStarted("main", "x/y", (name,)))
        events.append(ModelResponded(AssistantMessage((Text(f"answer {number} " + "word " * words),))))
    return [Envelope(seq, "s", 0.0, event, "r") for seq, event in enumerate(events, 1)]


def test_facts_are_asked_for_first_and_the_last_groups_stay_whole() -> None:
    transcript = fold(conversation(20))
    provider = ScriptedProvider(["- ann asks a lot\n* twenty times", " they talked "])
    compacted = run(compact(transcript, provider, "model", 4000))
    assert (compacted.facts, compacted.summary) == (("ann asks a lot", "twenty times"), "they talked")
    kept = transcript.messages[-3:]
    transcript.apply(Envelope(transcript.seq + 1, "s", 0.0, compacted, "r"))
    assert transcript.messages[-3:] == kept
    assert transcript.size() < 4000 * 0.3


def test_a_conversation_of_one_message_cannot_be_compacted() -> None:
    transcript = fold(conversation(1)[:2])
    try:
        run(compact(transcript, ScriptedProvider([]), "model", 100))
    except ModelError as error:
        assert "nothing" in str(error)
    else:
        raise AssertionError("it was compacted")


def test_compacting_twice_keeps_the_first_recap_in_view() -> None:
    transcript = fold(conversation(10))
    transcript.apply(Envelope(transcript.seq + 1, "s", 0.0, HistoryCompacted(15, ("early fact",), "early"), "r"))
    provider = ScriptedProvider(["a fact", "a summary"])
    run(compact(transcript, provider, "model", 1000))
    assert "early fact" in str(provider.requests[0].messages)


def said(size: int) -> list[Message]:
    return [UserMessage("u" * size)]


def called(size: int) -> list[Message]:
    return [AssistantMessage((ToolCall("1", "t", "{}"),), "tool_calls"), ToolResult("1", "t", "r" * size)]


def joined(groups: list[list[Message]]) -> list[Message]:
    return [message for group in groups for message in group]


SIZES = st.integers(0, 9000)
MESSAGES = st.lists(st.one_of(st.builds(said, SIZES), st.builds(called, SIZES)), max_size=12).map(joined)


@given(MESSAGES)
def test_a_trimmed_conversation_fits_and_is_well_formed(messages: list[Message]) -> None:
    trimmed = trim(messages, 2000)
    assert estimate(trimmed) <= 2000 * TRIM_TO * 1.3
    for index, message in enumerate(trimmed):
        if isinstance(message, ToolResult):
            assert isinstance(trimmed[index - 1], AssistantMessage)
    assert not trimmed or not isinstance(trimmed[0], AssistantMessage)
    assert bool(trimmed) == bool(messages)


def test_of_a_very_long_conversation_as_much_stays_whole_as_may() -> None:
    transcript = fold(conversation(5000, words=25))
    compacted = run(compact(transcript, ScriptedProvider(["a fact", "a summary"]), "model", 128_000))
    transcript.apply(Envelope(transcript.seq + 1, "s", 0.0, compacted, "r"))
    assert 0.95 * 32_000 < estimate(transcript.messages[1:]) <= 32_000
