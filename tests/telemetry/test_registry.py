"""Series are few whatever happens, and count what they are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.telemetry.registry import LONGEST_VALUE, MOST_VALUES, OTHER, Counter, Gauge, Histogram


def test_a_counter_adds_up_by_its_labels() -> None:
    counter = Counter("a", "A", ["kind"])
    counter.add(("x",))
    counter.add(("x",), 2.5)
    counter.add(("y",))
    assert counter.series == {("x",): 3.5, ("y",): 1.0}


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    gauge, now = Gauge("a", "A"), [1.0]
    assert gauge.series == {}
    gauge.read = lambda: now[0]
    now[0] = 7.0
    assert gauge.series == {(): 7.0}


def test_a_value_counts_in_the_first_bucket_that_it_does_not_exceed() -> None:
    histogram = Histogram("a", "A", bounds=(1, 2))
    for value in (0.5, 1, 1.5, 2, 2.5):
        histogram.observe((), value)
    spread = histogram.series[()]
    assert (spread.counts, spread.total, spread.count) == ([2, 2, 1], 7.5, 5)
    assert list(spread.cumulative()) == [2, 4, 5]


def test_values_of_a_label_are_bounded_in_number_and_length() -> None:
    counter = Counter("a", "A", ["model", "outcome"])
    for number in range(MOST_VALUES + 50):
        counter.add((f"model-{number}", "done"))
    assert len(counter.series) == MOST_VALUES + 1
    assert counter.series[OTHER, "done"] == 50
    counter.add(("model-1", "failed"))
    assert counter.series["model-1", "failed"] == 1
    short = Counter("b", "B", ["name"])
    for length in (LONGEST_VALUE, LONGEST_VALUE + 1):
        short.add(("x" * length,))
    assert list(short.series) == [("x" * LONGEST_VALUE,), (OTHER,)]


def test_labels_that_do_not_fit_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="labels"):
        Counter("a", "A", ["kind"]).add(("x", "y"))


@given(st.lists(st.floats(0, 1e6), max_size=50), st.lists(st.floats(0, 1e6), min_size=1, max_size=8, unique=True))
def test_every_value_is_in_one_bucket(values: list[float], bounds: list[float]) -> None:
    histogram = Histogram("a", "A", bounds=sorted(bounds))
    for value in values:
        histogram.observe((), value)
    for spread in histogram.series.values():
        assert list(spread.cumulative()) == [sum(value <= bound for value in values) for bound in sorted(bounds)] + [
            len(values)
        ]


def test_a_gauge_tells_what_others_have_together() -> None:
    gauge = Gauge("a", "A", ["name"])
    gauge.read = lambda: {(f"{number}",): 1.0 for number in range(MOST_VALUES + 50)}
    assert (len(gauge.series), gauge.series[(OTHER,)], sum(gauge.series.values())) == (101, 50, 150)
