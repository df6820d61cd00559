import asyncio

from carapax.agent.guard import BLOCK_AT, END_AT, WARN_AT
from carapax.agent.loop import Limits
from carapax.errors import Broken, ContextOverflow, ModelUnavailable
from carapax.events import (
    HistoryCompacted,
    ModelResponded,
    RunFinished,
    Steered,
    TextDelta,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Text, ToolCall, ToolResult, UserMessage
from carapax.store.transcripts import UNKNOWN_OUTCOME
from carapax.testing.provider import call
from tests.agent.running import Book, FunctionTool
from tests.running import run

ECHO = FunctionTool("echo", lambda given: f"you said {given.get('text')}")


def test_an_answer_is_streamed_and_then_kept() -> None:
    book = Book(["hello there"])
    assert run(book.run()) == RunFinished("done")
    assert book.shown == [TextDelta("hello "), TextDelta("there")]
    assert book.answers() == ["hello there"]


def test_a_tool_call_is_kept_before_it_runs_and_its_result_goes_back_to_the_model() -> None:
    kept_when_run: list[type] = []

    def look(given: object) -> str:
        kept_when_run.extend(book.kinds())
        return "seen"

    book = Book([call("look", text="x"), "it is seen"], FunctionTool("look", look))
    assert run(book.run()) == RunFinished("done")
    assert kept_when_run[-1] is ToolCalled
    assert book.provider.requests[1].messages == (
        UserMessage("go", ""),
        AssistantMessage(
            (ToolCall("call_1", "look", '{"text": "x"}'),),
            "tool_calls",
            book.provider.requests[1].messages[1].usage,  # type: ignore[union-attr]  # the second is the assistant's
            "scripted",
            "model",
        ),
        ToolResult("call_1", "look", "seen"),
    )


def test_a_call_that_the_gate_refuses_never_starts_and_the_model_hears_why() -> None:
    ran: list[object] = []
    book = Book([call("look", text="x"), "so be it"], FunctionTool("look", ran.append), refused={"look": "Ann said no"})
    assert run(book.run()) == RunFinished("done")
    assert book.results() == [("not run: Ann said no", True)]
    assert (ran, ToolCalled in book.kinds()) == ([], False)


def test_calls_that_only_read_run_together_and_answer_in_the_order_asked() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def first(given: object) -> str:
            await gate.wait()
            return "first"

        async def second(given: object) -> str:
            gate.set()
            return "second"

        book = Book(
            [(call("first"), call("second")), "done"], FunctionTool("first", first), FunctionTool("second", second)
        )
        assert await book.run() == RunFinished("done")
        assert book.provider.requests[1].messages[2:] == (
            ToolResult("call_1", "first", "first"),
            ToolResult("call_2", "second", "second"),
        )

    run(scenario())


def test_calls_with_effects_run_one_after_the_other() -> None:
    async def scenario() -> None:
        running: list[str] = []
        at_once: list[int] = []

        def work(name: str) -> FunctionTool:
            async def do(given: object) -> str:
                running.append(name)
                at_once.append(len(running))
                await asyncio.sleep(0)
                running.remove(name)
                return name

            return FunctionTool(name, do, effects=frozenset({"write"}), rerun="at_most_once")

        book = Book([(call("a"), call("b"), call("a", text="2")), "done"], work("a"), work("b"))
        await book.run()
        assert at_once == [1, 1, 1]
        assert [event.rerun for event in book.kept if isinstance(event, ToolCalled)] == ["at_most_once"] * 3

    run(scenario())


def test_a_wrong_call_is_answered_to_the_model_without_running() -> None:
    ran: list[object] = []
    tool = FunctionTool("note", lambda given: ran.append(given))
    calls = (
        ToolCall("1", "note", "{not json"),
        ToolCall("2", "note", '{"number": "many"}'),
        ToolCall("3", "noet", "{}"),
    )
    book = Book([calls, "sorry"], tool)
    assert run(book.run()) == RunFinished("done")
    assert ran == []
    assert [is_error for _, is_error in book.results()] == [True, True, True]
    assert "number" in book.results()[1][0]
    assert "did you mean 'note'?" in book.results()[2][0]
    assert ToolCalled not in book.kinds()


def test_scalars_are_coerced_to_what_the_tool_asks_for() -> None:
    tool = FunctionTool("note", lambda given: f"{given['text']!r} {given['number']!r}")
    book = Book([ToolCall("1", "note", '{"text": 5, "number": "7"}'), "ok"], tool)
    run(book.run())
    assert book.results() == [("'5' 7", False)]


def test_a_tool_that_fails_tells_the_model_why() -> None:
    def fail(given: object) -> str:
        raise Broken("the disk is gone", "mount it")

    book = Book([call("fail"), "I see"], FunctionTool("fail", fail))
    assert run(book.run()) == RunFinished("done")
    assert book.results() == [("the disk is gone (mount it)", True)]


def test_the_model_sees_a_long_result_cut_and_the_journal_keeps_it() -> None:
    text = "long line\n" * 20_000
    book = Book([call("big"), "ok"], FunctionTool("big", lambda given: text))
    run(book.run())
    assert book.results() == [(text, False)]
    shown = book.provider.requests[1].messages[-1]
    assert isinstance(shown, ToolResult)
    assert len(shown.text) < 50_000 and "cut here" in shown.text


def test_the_same_call_again_and_again_is_warned_of_then_blocked_then_ends_the_run() -> None:
    ran: list[object] = []

    def again(given: object) -> str:
        ran.append(given)
        return "same"

    book = Book(lambda request: call("again", text="x"), FunctionTool("again", again))
    finished = run(book.run())
    assert finished.reason == "loop"
    assert len(ran) == BLOCK_AT
    assert len(book.results()) == END_AT + 1
    warned = [index for index, (text, _) in enumerate(book.results()) if "made before" in text]
    assert warned == list(range(WARN_AT, BLOCK_AT))


def test_a_run_ends_at_its_limit_of_answers() -> None:
    numbers = iter(range(100))
    book = Book(lambda request: call("echo", text=str(next(numbers))), ECHO, limits=Limits(3, 5, 128_000))
    assert run(book.run()) == RunFinished("limit", "the run reached its limit of 3 answers")
    assert book.kinds().count(ModelResponded) == 3


def test_a_run_ends_at_its_limit_of_time_and_says_which_call_was_cut() -> None:
    async def forever(given: object) -> str:
        await asyncio.Event().wait()
        return ""

    tool = FunctionTool("wait", forever, effects=frozenset({"write"}), rerun="at_most_once")
    book = Book([call("wait")], tool, limits=Limits(3, 0.05, 128_000))
    assert run(book.run()) == RunFinished("limit", "the run reached its limit of 0.05 s")
    assert book.results() == [(UNKNOWN_OUTCOME, True)]


def test_messages_that_arrive_during_a_run_are_taken_between_tool_calls() -> None:
    def arrive(given: object) -> str:
        book.say("m2", "and this")
        book.steering.append("m2")
        return "ok"

    book = Book([call("arrive"), "both done"], FunctionTool("arrive", arrive))
    run(book.run())
    assert Steered(("m2",)) in book.kept
    assert [type(message) for message in book.provider.requests[1].messages] == [
        UserMessage,
        AssistantMessage,
        ToolResult,
        UserMessage,
    ]


def test_a_model_that_fails_ends_the_run_with_the_reason() -> None:
    book = Book([ModelUnavailable("the server is down", "start it", vendor="x", status=503)])
    assert run(book.run()) == RunFinished("failed", "the server is down (start it)")


def test_an_answer_cut_at_the_output_limit_is_kept_and_says_so() -> None:
    book = Book([AssistantMessage((Text("half a"),), "length")])
    assert run(book.run()).reason == "limit"
    assert book.answers() == ["half a"]


def test_a_paused_answer_is_gone_on_with() -> None:
    book = Book([AssistantMessage((Text("searching"),), "paused"), "found"])
    assert run(book.run()) == RunFinished("done")
    assert book.answers() == ["searching", "found"]


def test_calls_that_share_an_id_get_their_own() -> None:
    book = Book([(ToolCall("x", "echo", '{"text":"1"}'), ToolCall("x", "echo", '{"text":"2"}')), "ok"], ECHO)
    assert run(book.run()) == RunFinished("done")
    assert sorted(text for text, _ in book.results()) == ["you said 1", "you said 2"]


def test_an_id_that_a_call_is_given_is_nobody_elses() -> None:
    calls = tuple(ToolCall(name, "echo", f'{{"text":"{at}"}}') for at, name in enumerate(("x_2", "x", "x", "x_3")))
    book = Book([calls, "ok"], ECHO)
    assert run(book.run()) == RunFinished("done")
    answered = [message for message in book.transcript.messages if isinstance(message, ToolResult)]
    assert [(result.call_id, result.text) for result in answered] == [
        ("x_2", "you said 0"),
        ("x", "you said 1"),
        ("x_4", "you said 2"),
        ("x_3", "you said 3"),
    ]


def test_a_tool_whose_text_holds_half_a_character_fails_nothing() -> None:
    book = Book([call("odd"), "ok"], FunctionTool("odd", lambda given: "a\ud800b"))
    assert run(book.run()) == RunFinished("done")
    assert book.results() == [("a?b", False)]


def test_unanswered_calls_of_an_earlier_run_are_made_first() -> None:
    book = Book(["ready"], ECHO)
    book.keep(ModelResponded(AssistantMessage((ToolCall("1", "echo", '{"text":"again"}'),), "tool_calls")))
    assert run(book.run()) == RunFinished("done")
    assert book.results() == [("you said again", False)]
    assert len(book.provider.requests) == 1


def test_a_full_conversation_is_compacted_facts_first_and_goes_on() -> None:
    small = Limits(25, 5, context_tokens=2_000)
    book = Book(
        [call("big", text="1"), call("big", text="2"), "the fact\nanother", "what was done", "finished"],
        FunctionTool("big", lambda given: "word " * 1000),
        limits=small,
    )
    assert run(book.run()) == RunFinished("done")
    compacted = [event for event in book.kept if isinstance(event, HistoryCompacted)]
    assert [(event.facts, event.summary) for event in compacted] == [(("the fact", "another"), "what was done")]
    assert "List what must not be forgotten" in str(book.provider.requests[2].messages)
    first = book.provider.requests[-1].messages[0]
    assert isinstance(first, UserMessage) and "- the fact" in first.text
    assert [type(event) for event in book.kept].count(ToolReturned) == 2


def test_a_model_that_says_the_conversation_is_too_long_gets_a_shorter_one() -> None:
    book = Book([call("echo", text="1"), ContextOverflow("too long"), "fact", "summary", "fits"], ECHO)
    assert run(book.run()) == RunFinished("done")
    assert HistoryCompacted in book.kinds()
    assert book.answers()[-1] == "fits"


def test_when_compaction_fails_the_run_goes_on_with_a_trimmed_conversation() -> None:
    book = Book(
        [call("big", text="1"), ModelUnavailable("no summary today"), "finished anyway"],
        FunctionTool("big", lambda given: "word " * 3000),
        limits=Limits(25, 5, context_tokens=2_000),
    )
    assert run(book.run()) == RunFinished("done")
    assert HistoryCompacted not in book.kinds()
    assert sum(len(str(message)) for message in book.provider.requests[-1].messages) < 8_000
