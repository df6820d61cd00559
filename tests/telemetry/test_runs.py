"""Runs are folded from events, also from the middle of them."""

from hypothesis import given
from hypothesis import strategies as st

from carapax.contracts import Spender
from carapax.events import Envelope, Kept, ModelResponded, RunFinished, RunStarted, Steered
from carapax.telemetry.calls import Called
from carapax.telemetry.runs import MOST_EVENTS, Runs, folded
from carapax.telemetry.trace import Root, root_of
from tests.telemetry.events import answer, open_, said, silent, told

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
START = RunStarted("main", "openai/gpt-9", ("m1",))


def test_a_run_is_told_of_when_it_ends_with_its_events_and_calls() -> None:
    runs = Runs(silent)
    events = told(
        (1, said(), ""), (2, START, "r1"), (3, ModelResponded(answer()), "r1"), (4, RunFinished("done"), "r1")
    )
    assert [runs.follow(envelope) for envelope in events[:-1]] == [None] * 3
    call = Called(Spender("main", "s1", "r1"), "openai", "gpt-9", 2.0, 1.0, answer=answer())
    runs.called(call)
    runs.called(Called(Spender("main", "s1", "unknown"), "openai", "gpt-9", 2.0, 1.0))
    run = runs.follow(events[-1])
    assert run is not None
    assert (run.name, run.session, run.root) == ("r1", "s1", root_of("r1"))
    assert (run.events, run.calls, run.said) == (events[1:], [call], [])


def test_it_hangs_under_the_call_that_brought_its_message() -> None:
    events = told((1, said(trace=HEADER), ""), (2, START, "r1"), (3, RunFinished("done"), "r1"))
    run = folded(events, "r1", silent)
    assert run is not None
    assert run.root == Root("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


def test_what_goes_on_after_a_crash_hangs_where_the_first_try_hung() -> None:
    first = told((1, said(), ""), (2, START, "r1"), (9, RunFinished("interrupted"), "r1"))
    second = [
        Envelope(4, "s1", 10, RunStarted("main", "openai/gpt-9", (), "r1", 2), "r2"),
        Envelope(5, "s1", 11, RunFinished("done"), "r2"),
    ]
    whole = folded([*first, *second], "r2", silent)
    assert whole is not None
    assert whole.root == root_of("r1")
    fresh = Runs(silent)
    assert [fresh.follow(envelope) for envelope in second[:1]] == [None]
    unknown = fresh.follow(second[1])
    assert unknown is not None
    assert unknown.root is None


def test_texts_are_kept_only_where_content_is_wanted() -> None:
    steered = (3, Steered(("m2",)), "r1")
    events = told(
        (1, said(), ""), (2, START, "r1"), (2.5, said("m2", text="more"), ""), steered, (4, RunFinished("done"), "r1")
    )
    run, silent_run = folded(events, "r1", open_), folded(events, "r1", silent)
    assert run is not None
    assert silent_run is not None
    assert (run.said, silent_run.said) == (["hello", "more"], [])


def test_a_run_that_began_too_long_ago_is_not_told_of() -> None:
    assert folded(told((4, RunFinished("done"), "r1")), "r1", silent) is None


def test_a_run_of_many_events_is_cut_and_still_ends() -> None:
    many = [(2.0, ModelResponded(answer()), "r1")] * (MOST_EVENTS + 10)
    run = folded(told((1, said(), ""), (1, START, "r1"), *many, (3, RunFinished("done"), "r1")), "r1", silent)
    assert run is not None
    assert (len(run.events), run.skipped) == (MOST_EVENTS + 1, 11)


@given(st.data())
def test_runs_of_sessions_do_not_mix_however_their_events_come(data: st.DataObject) -> None:
    names = ("r1", "r2", "r3")
    lines: dict[str, list[Kept]] = {
        name: [RunStarted("main", name, ()), ModelResponded(answer()), RunFinished("done")] for name in names
    }
    runs, ended = Runs(silent), {}
    while left := [name for name, events in lines.items() if events]:
        name = data.draw(st.sampled_from(left))
        run = runs.follow(Envelope(1, f"s-{name}", 1.0, lines[name].pop(0), name))
        if run is not None:
            ended[name] = [type(envelope.event) for envelope in run.events]
            assert {envelope.run for envelope in run.events} == {name}
    assert ended == {name: [RunStarted, ModelResponded, RunFinished] for name in names}
