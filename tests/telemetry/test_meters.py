"""What is counted of what happens."""

from carapax.config import Config
from carapax.contracts import Spend, Spender
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    BudgetReached,
    Envelope,
    Kept,
    MessageReceived,
    MessageSent,
    RunFinished,
    RunStarted,
    SendFailed,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, ToolResult, Usage
from carapax.telemetry.calls import Called
from carapax.telemetry.meters import Meters, memory
from carapax.telemetry.registry import Counter, Family, Histogram


def follow(meters: Meters, *events: Kept, at: float = 100.0) -> None:
    for seq, event in enumerate(events, 1):
        meters.follow(Envelope(seq, "s", at + seq, event, "r"))


def counted(family: Family) -> dict[tuple[str, ...], float]:
    if isinstance(family, Histogram):
        return {labels: spread.count for labels, spread in family.series.items()}
    assert isinstance(family, Counter)
    return family.series


def test_a_run_counts_by_its_agent_and_end_and_how_long_it_took() -> None:
    meters = Meters()
    said = MessageReceived("m", Sender("ann", trust="known"), "hello", "chat", "room")
    follow(meters, said, RunStarted("main", "p/m", ("m",)), RunFinished("done"), RunFinished("failed"))
    assert counted(meters.messages) == {("chat", "known"): 1}
    assert counted(meters.runs) == {("main", "done"): 1, ("other", "failed"): 1}
    assert counted(meters.agent_s) == {("main",): 1}
    assert meters.agent_s.series[("main",)].total == 1.0
    assert counted(meters.events) == {("message_received",): 1, ("run_started",): 1, ("run_finished",): 2}


def test_calls_of_tools_count_by_what_became_of_them() -> None:
    meters = Meters()
    follow(
        meters,
        ToolCalled(ToolCall("1", "shell", "{}")),
        ToolReturned(ToolResult("1", "shell", "ok"), 0.3),
        ToolReturned(ToolResult("2", "shell", "no", is_error=True), 2.0),
        ToolReturned(ToolResult("3", "shell", "denied", is_error=True)),
        ToolReturned(ToolResult("4", "invented by a model", "there is none", is_error=True)),
    )
    assert counted(meters.tools) == {
        ("shell", "done"): 1,
        ("shell", "failed"): 1,
        ("shell", "not run"): 1,
        ("other", "not run"): 1,
    }
    assert counted(meters.tool_s) == {("shell", ""): 1, ("shell", "tool_error"): 1}


def test_questions_replies_and_budgets_count() -> None:
    meters = Meters()
    asked = ApprovalAsked("a", "1", "shell", "ls", "d", "n", "r", "why", 1.0)
    follow(
        meters,
        asked,
        ApprovalGiven("a", "allow", "ann"),
        ApprovalGiven("b", "deny", "ann"),
        ApprovalGiven("c", "deny"),
        MessageSent("k"),
        SendFailed("k", "gone"),
        BudgetReached("daily", 80, 1.0, 2.0),
    )
    assert counted(meters.asked) == {("shell",): 1}
    assert counted(meters.answered) == {("allow",): 1, ("deny",): 1, ("expired",): 1}
    assert (counted(meters.sent), counted(meters.refused)) == ({(): 1}, {(): 1})
    assert counted(meters.budgets) == {("80",): 1}


def test_a_call_of_a_model_counts_with_its_time_first_word_and_tokens() -> None:
    meters, spender = Meters(), Spender("main", "s", "r")
    answer = AssistantMessage((Text("hello"),), usage=Usage(100, 20))
    meters.called(Called(spender, "p", "m", 1.0, 0.5, 0.1, answer=answer))
    meters.called(Called(spender, "p", "m", 2.0, 0.1, error="ModelBusy"))
    assert counted(meters.call_s) == {("chat", "p", "m", ""): 1, ("chat", "p", "m", "ModelBusy"): 1}
    assert counted(meters.first_s) == {("chat", "p", "m"): 1}
    assert {labels: spread.total for labels, spread in meters.usage.series.items()} == {
        ("chat", "p", "m", "input"): 100,
        ("chat", "p", "m", "output"): 20,
    }


def test_what_was_spent_counts_in_tokens_and_dollars() -> None:
    meters = Meters()
    meters.spent(Spend("p", "m", Usage(100, 20, cache_read=50), 1_500_000_000))
    assert counted(meters.tokens) == {("p", "m", "input"): 100, ("p", "m", "output"): 20, ("p", "m", "cache_read"): 50}
    assert counted(meters.cost) == {("p", "m"): 1.5}


def test_changes_of_the_configuration_count() -> None:
    meters = Meters()
    meters.changed(Config())
    meters.changed(Config())
    assert counted(meters.changes) == {(): 2}


def test_this_process_takes_memory() -> None:
    assert memory() > 1_000_000
