"""A run as spans, with the names of the conventions."""

from carapax.contracts import Spender
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    ModelResponded,
    RunFinished,
    RunStarted,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Text, ToolCall, ToolResult, Usage
from carapax.telemetry.calls import Called
from carapax.telemetry.runs import Run, folded
from carapax.telemetry.spans import Span, Value, spans
from carapax.telemetry.trace import root_of, span_of
from tests.telemetry.events import answer, open_, said, told

START = RunStarted("main", "openai/gpt-9", ("m1",))
TRACE, RUN = root_of("r1").trace, span_of("r1")
ABOUT = {"gen_ai.conversation.id": "s1", "gen_ai.agent.name": "main"}
SECOND = ToolCall("c2", "read_file", '{"path": "a"}')
FIRST = ToolCall("c1", "shell", '{"command": "ls"}')


def whole(*events: Envelope) -> Run:
    run = folded(events, "r1", open_)
    assert run is not None
    return run


def chat(name: str, began_at: float, ended_at: float, reason: str = "end") -> Span:
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        **ABOUT,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-9",
        "gen_ai.response.model": "gpt-9",
        "gen_ai.response.finish_reasons": (reason,),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
    }
    return Span(TRACE, name, RUN, "chat gpt-9", "client", began_at, ended_at, attributes)


def agent(ended_at: float, usage: tuple[int, int], reason: str = "done", error: str = "") -> Span:
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "invoke_agent",
        **ABOUT,
        "gen_ai.request.model": "openai/gpt-9",
        "gen_ai.usage.input_tokens": usage[0],
        "gen_ai.usage.output_tokens": usage[1],
        "carapax.run.id": "r1",
        "carapax.run.reason": reason,
        "carapax.run.attempt": 1,
        "error.type": error,
    }
    told_ = {key: value for key, value in attributes.items() if value not in ("", 0)}
    return Span(TRACE, RUN, "", "invoke_agent main", "internal", 2, ended_at, told_, bool(error))


def tool(call: ToolCall, began_at: float, ended_at: float, error: str = "", name: str = "") -> Span:
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "execute_tool",
        **ABOUT,
        "gen_ai.tool.name": name or call.name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call.id,
        **({"error.type": error} if error else {}),
    }
    title, id_ = f"execute_tool {name or call.name}", span_of("r1", "tool", call.id)
    return Span(TRACE, id_, RUN, title, "internal", began_at, ended_at, attributes, bool(error))


def test_a_turn_with_parallel_tools_read_back_from_the_journal() -> None:
    run = whole(
        *told(
            (1, said(), ""),
            (2, START, "r1"),
            (3, ModelResponded(answer(FIRST, SECOND)), "r1"),
            (3.1, ToolCalled(FIRST), "r1"),
            (3.1, ToolCalled(SECOND), "r1"),
            (4, ToolReturned(ToolResult("c2", "read_file", "text"), 0.5), "r1"),
            (5, ToolReturned(ToolResult("c1", "shell", "no", is_error=True), 1.5), "r1"),
            (6, ModelResponded(answer()), "r1"),
            (7, RunFinished("done"), "r1"),
        )
    )
    assert spans(run) == [
        agent(7, (200, 40)),
        chat(span_of("r1", 3), 2, 3, "tool_calls"),
        chat(span_of("r1", 8), 5, 6),
        tool(FIRST, 3.5, 5, "tool_error"),
        tool(SECOND, 3.5, 4),
    ]


def test_models_that_failed_before_one_answered_have_spans_of_their_own() -> None:
    run = whole(
        *told((1, said(), ""), (2, START, "r1"), (5, ModelResponded(answer()), "r1"), (6, RunFinished("done"), "r1"))
    )
    spender = Spender("main", "s1", "r1")
    run.calls = [
        Called(spender, "gemini", "g-1", 2.0, 1.0, error="ModelBusy"),
        Called(spender, "openai", "gpt-9", 3.0, 2.0, 0.25, answer=answer()),
    ]
    _, failed, answered = spans(run)
    assert (failed.name, failed.began_at, failed.ended_at, failed.error) == ("chat g-1", 2.0, 3.0, True)
    assert failed.attributes == {
        "gen_ai.operation.name": "chat",
        **ABOUT,
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "g-1",
        "error.type": "ModelBusy",
    }
    expected = chat(span_of("r1", "call", 1), 3.0, 5.0)
    expected.attributes["carapax.first_token_s"] = 0.25
    assert answered == expected


def test_waiting_for_a_person_is_a_span() -> None:
    asked = ApprovalAsked("a1", "c1", "shell", "ls", "d", "n", "rule of two", "why", 9.0)
    asked_again = ApprovalAsked("a2", "c2", "shell", "rm", "d", "n", "r", "why", 9.0)
    events = told(
        (1, said(), ""),
        (2, START, "r1"),
        (3, asked, "r1"),
        (5, ApprovalGiven("a1", "allow", "ann"), "r1"),
        (5, asked_again, "r1"),
        (8, RunFinished("cancelled"), "r1"),
    )
    run, first, second = spans(whole(*events))
    assert (run.attributes["carapax.run.reason"], run.error) == ("cancelled", False)
    assert (first.name, first.began_at, first.ended_at) == ("approval shell", 3, 5)
    assert first.attributes == {
        **ABOUT,
        "gen_ai.tool.name": "shell",
        "gen_ai.tool.call.id": "c1",
        "carapax.approval.rule": "rule of two",
        "carapax.approval.verdict": "allow",
    }
    assert (second.began_at, second.ended_at, second.attributes["carapax.approval.verdict"]) == (5, 8, "expired")


def test_a_run_that_a_crash_cut_short_ends_where_it_was_closed() -> None:
    run = whole(
        *told((1, said(), ""), (2, START, "r1"), (3, ToolCalled(FIRST), "r1"), (60, RunFinished("interrupted"), "r1"))
    )
    assert spans(run) == [agent(60, (0, 0), "interrupted", "interrupted"), tool(FIRST, 3, 60, "interrupted")]


def test_a_tool_that_a_model_made_up_has_no_name() -> None:
    refused = ToolReturned(ToolResult("c9", "secrets in a name", "there is none", is_error=True))
    run = whole(*told((1, said(), ""), (2, START, "r1"), (3, refused, "r1"), (4, RunFinished("done"), "r1")))
    assert spans(run)[1] == tool(ToolCall("c9", "", ""), 3, 3, "tool_error", "unknown")


def test_what_was_said_is_told_only_where_it_is_wanted() -> None:
    events = told(
        (1, said(text="a question"), ""),
        (2, START, "r1"),
        (3, ModelResponded(answer(FIRST, text="a thought")), "r1"),
        (3, ToolCalled(FIRST), "r1"),
        (4, ToolReturned(ToolResult("c1", "shell", "a result"), 1.0), "r1"),
        (5, RunFinished("failed", "a detail that quotes"), "r1"),
    )
    quiet = repr(spans(whole(*events)))
    words = ("a question", "a thought", "a result", "a detail", "command")
    assert [word for word in words if word in quiet] == []
    run, asked, called = spans(whole(*events), content=True)
    assert run.attributes["gen_ai.input.messages"] == (
        '[{"role":"user","parts":[{"type":"text","content":"a question"}]}]'
    )
    assert "a thought" in str(asked.attributes["gen_ai.output.messages"])
    assert called.attributes["gen_ai.tool.call.arguments"] == '{"command": "ls"}'
    assert called.attributes["gen_ai.tool.call.result"] == "a result"


def test_what_a_server_of_models_writes_where_words_belong_is_content_too() -> None:
    call = ToolCall("she lives in Elm Street", "shell", "{}")
    reply = AssistantMessage((Text("x"), call), "tool_calls", Usage(), "openai", "it is her model", "she said stop")
    asked = ApprovalAsked("a1", call.id, "shell", "ls", "d", "n", "rule", "why", 9.0)
    events = told(
        (1, said(), ""),
        (2, START, "r1"),
        (3, ModelResponded(reply), "r1"),
        (3, asked, "r1"),
        (3, ToolCalled(call), "r1"),
        (4, ToolReturned(ToolResult(call.id, "shell", ""), 1.0), "r1"),
        (5, RunFinished("done"), "r1"),
    )
    _, chatted, ran, waited = spans(whole(*events))
    told_ = chatted.attributes["gen_ai.response.model"], chatted.attributes["gen_ai.response.finish_reasons"]
    assert told_ == ("gpt-9", ("tool_calls",))
    ids = {ran.attributes["gen_ai.tool.call.id"], waited.attributes["gen_ai.tool.call.id"]}
    assert [len(str(id_)) for id_ in ids] == [16]
    words = ("Elm", "her model", "she said")
    assert [word for word in words if word in repr(spans(whole(*events)))] == []
    assert [word for word in words if word in repr(spans(whole(*events), content=True))] == [*words]
