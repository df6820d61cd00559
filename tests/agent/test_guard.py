from carapax.agent.guard import BLOCK_AT, END_AT, WARN_AT, WINDOW, LoopGuard
from carapax.messages import ToolCall


def judged(guard: LoopGuard, arguments: str = "{}") -> str:
    return guard.judge(ToolCall("id", "tool", arguments))


def test_identical_calls_are_warned_of_then_blocked_then_end_the_run() -> None:
    guard = LoopGuard()
    verdicts = [judged(guard) for _ in range(END_AT + 1)]
    expected = ["allow"] * WARN_AT + ["warn"] * (BLOCK_AT - WARN_AT) + ["block"] * (END_AT - BLOCK_AT) + ["end"]
    assert verdicts == expected


def test_the_order_of_arguments_does_not_make_a_call_another() -> None:
    guard = LoopGuard()
    judged(guard, '{"a": 1, "b": 2}')
    judged(guard, '{"b":2,"a":1}')
    assert judged(guard, '{ "a":1, "b":2 }') == "warn"


def test_calls_out_of_the_window_are_forgotten() -> None:
    guard = LoopGuard()
    for _ in range(WARN_AT):
        judged(guard)
    for number in range(WINDOW):
        judged(guard, f'{{"n": {number}}}')
    assert judged(guard) == "allow"


def test_malformed_arguments_count_as_they_are() -> None:
    guard = LoopGuard()
    assert [judged(guard, "{oops") for _ in range(3)] == ["allow", "allow", "warn"]
    assert judged(guard, "[" * 100_000) == "allow"
