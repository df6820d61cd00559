"""Prometheus' own parsers read what we write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parsed

from carapax.redaction import MASK, Secret
from carapax.redactor import Redactor
from carapax.telemetry.exposition import name_of, written
from carapax.telemetry.meters import Meters
from carapax.telemetry.registry import Counter, Family, Gauge, Histogram
from tests.telemetry.reading import opened

VALUE = "value-of-a-secret-1"


def samples(families: list[Family], *, as_open: bool) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = written(families, Redactor([Secret(VALUE)]), as_open=as_open)
    read = opened(text) if as_open else parsed(text)
    found = [sample for family in read for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


def filled() -> list[Family]:
    counter = Counter("carapax.tokens", "Tokens", ["model", "kind"])
    counter.add(("a/b", "input"), 12)
    counter.add((VALUE, ""), 1)
    gauge = Gauge("carapax.uptime", "Uptime", unit="s")
    gauge.read = lambda: 1.5
    histogram = Histogram("gen_ai.client.operation.duration", "Calls", ["gen_ai.request.model"], bounds=(0.1, 1))
    histogram.observe(("m",), 0.5)
    return [counter, gauge, histogram]


@pytest.mark.parametrize("as_open", [False, True])
def test_all_series_are_read_back_and_secrets_are_not(as_open: bool) -> None:
    model = ("gen_ai_request_model", "m")
    assert samples(filled(), as_open=as_open) == {
        ("carapax_tokens_total", (("kind", "input"), ("model", "a/b"))): 12,
        ("carapax_tokens_total", (("model", MASK),)): 1,
        ("carapax_uptime_seconds", ()): 1.5,
        ("gen_ai_client_operation_duration_seconds_bucket", (model, ("le", "0.1"))): 0,
        ("gen_ai_client_operation_duration_seconds_bucket", (model, ("le", "1.0"))): 1,
        ("gen_ai_client_operation_duration_seconds_bucket", (model, ("le", "+Inf"))): 1,
        ("gen_ai_client_operation_duration_seconds_sum", (model,)): 0.5,
        ("gen_ai_client_operation_duration_seconds_count", (model,)): 1,
    }


@pytest.mark.parametrize("as_open", [False, True])
def test_labels_that_are_the_same_without_their_secrets_are_one_series(as_open: bool) -> None:
    other = "value-of-a-secret-2"
    counter = Counter("calls", "Calls", ["model"])
    histogram = Histogram("took", "Took", ["model"], bounds=(1, 2))
    for model, amount in ((VALUE, 0.5), (other, 1.5), ("\ud800", 1.0), ("?", 1.0)):
        counter.add((model,), amount)
        histogram.observe((model,), amount)
    redactor = Redactor([Secret(VALUE), Secret(other)])
    text = written([counter, histogram], redactor, as_open=as_open)
    told = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    assert [(name, value) for name, _, value in told if MASK in name] == [
        (f'calls_total{{model="{MASK}"}}', "2.0"),
        (f'took_seconds_bucket{{model="{MASK}",le="1.0"}}', "1"),
        (f'took_seconds_bucket{{model="{MASK}",le="2.0"}}', "2"),
        (f'took_seconds_bucket{{model="{MASK}",le="+Inf"}}', "2"),
        (f'took_seconds_sum{{model="{MASK}"}}', "2.0"),
        (f'took_seconds_count{{model="{MASK}"}}', "2"),
    ]
    assert len({name for name, _, _ in told}) == len(told)


@pytest.mark.parametrize("as_open", [False, True])
@given(value=st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable() or "\n" in text))
def test_whatever_stands_in_a_label_is_read_back(value: str, as_open: bool) -> None:
    counter = Counter("a", "A", ["name"])
    counter.add((value,))
    text = written([counter], str, as_open=as_open)
    read = opened(text) if as_open else parsed(text)
    (family,) = read
    assert [sample.labels["name"] for sample in family.samples] == [value]


def test_every_metric_has_a_name_of_its_own_and_a_meaning() -> None:
    families = list(Meters().all())
    names = [name_of(family) for family in families]
    assert len(set(names)) == len(names) >= 30
    assert [name for name, family in zip(names, families, strict=True) if not family.meaning] == []
