"""What is written is read back with OpenTelemetry's own types."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from carapax.redaction import MASK, Secret
from carapax.redactor import Redactor
from carapax.telemetry.otlp import LONGEST, Writer, rejected
from carapax.telemetry.registry import Counter, Gauge, Histogram
from carapax.telemetry.spans import Span
from tests.fakes.collector import plain

VALUE = "value-of-a-secret-1"
WRITER = Writer({"service.name": "carapax"}, Redactor([Secret(VALUE)]))
SPAN = Span(
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "00f067aa0ba902b7",
    "",
    "chat gpt-9",
    "client",
    1_700_000_000.25,
    1_700_000_001.5,
    {"gen_ai.usage.input_tokens": 7, "gen_ai.response.finish_reasons": ("stop",), "carapax.first_token_s": 0.5},
    True,
)


def test_a_span_is_read_back_as_it_was() -> None:
    (traced,) = ExportTraceServiceRequest.FromString(WRITER.spans([SPAN])).resource_spans
    assert plain(traced.resource.attributes) == {"service.name": "carapax"}
    (scope,) = traced.scope_spans
    (span,) = scope.spans
    assert (scope.scope.name, span.name, span.kind, span.status.code) == ("carapax", "chat gpt-9", 3, 2)
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id) == (SPAN.trace, SPAN.id, b"")
    times = (span.start_time_unix_nano, span.end_time_unix_nano)
    assert times == (1_700_000_000_250_000_000, 1_700_000_001_500_000_000)
    assert plain(span.attributes) == {
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.response.finish_reasons": ["stop"],
        "carapax.first_token_s": 0.5,
    }


def test_metrics_are_read_back_as_they_were() -> None:
    counter = Counter("carapax.tokens", "Tokens", ["kind"])
    counter.add(("input",), 12)
    gauge = Gauge("carapax.uptime", "Uptime", unit="s")
    gauge.read = lambda: 1.5
    histogram = Histogram("gen_ai.client.operation.duration", "Calls", ["error.type"], bounds=(0.1, 1))
    histogram.observe(("",), 0.5)
    empty = Counter("carapax.empty", "Nothing")
    body = WRITER.metrics([counter, gauge, histogram, empty], 100.0, 160.0)
    (measured,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    tokens, uptime, calls = measured.scope_metrics[0].metrics
    (point,) = tokens.sum.data_points
    assert (tokens.name, tokens.unit, tokens.sum.is_monotonic) == ("carapax.tokens", "1", True)
    assert (plain(point.attributes), point.as_double) == ({"kind": "input"}, 12)
    assert point.start_time_unix_nano == 100 * 10**9
    assert [(each.as_double, each.time_unix_nano) for each in uptime.gauge.data_points] == [(1.5, 160 * 10**9)]
    (spread,) = calls.histogram.data_points
    assert (spread.count, spread.sum, list(spread.bucket_counts)) == (1, 0.5, [0, 1, 0])
    assert (list(spread.explicit_bounds), plain(spread.attributes), calls.unit) == ([0.1, 1], {}, "s")


def test_labels_that_are_the_same_without_their_secrets_are_one_point() -> None:
    counter = Counter("carapax.tokens", "Tokens", ["model"])
    histogram = Histogram("took", "Took", ["model"], bounds=(1,))
    for model in (VALUE, "value-of-a-secret-2"):
        counter.add((model,), 2)
        histogram.observe((model,), 0.5)
    writer = Writer({}, Redactor([Secret(VALUE), Secret("value-of-a-secret-2")]))
    (measured,) = ExportMetricsServiceRequest.FromString(writer.metrics([counter, histogram], 1, 2)).resource_metrics
    tokens, took = measured.scope_metrics[0].metrics
    assert [(plain(each.attributes), each.as_double) for each in tokens.sum.data_points] == [({"model": MASK}, 4)]
    assert [(each.count, list(each.bucket_counts)) for each in took.histogram.data_points] == [(2, [2, 0])]


def test_no_text_goes_out_with_a_secret_in_it() -> None:
    span = Span(SPAN.trace, SPAN.id, "", VALUE, "client", 1, 2, {"a": VALUE, "b": (VALUE,), "c": "x" * 50_000})
    counter = Counter("a", "A", ["name"])
    counter.add((VALUE,))
    writer = Writer({"service.name": VALUE}, Redactor([Secret(VALUE)]))
    body = writer.spans([span]) + writer.metrics([counter], 1, 2)
    assert VALUE.encode() not in body
    assert body.count(MASK.encode()) == 6
    assert b"x" * LONGEST in body
    assert b"x" * (LONGEST + 1) not in body


def test_text_that_is_no_unicode_does_not_stop_anything() -> None:
    span = Span(SPAN.trace, SPAN.id, "", "half \ud800", "internal", 1, 2, {})
    (traced,) = ExportTraceServiceRequest.FromString(WRITER.spans([span])).resource_spans
    assert traced.scope_spans[0].spans[0].name == "half ?"


def test_what_a_collector_did_not_take_is_read_from_its_answer() -> None:
    partial = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=3))
    assert rejected("/v1/traces", partial.SerializeToString()) == 3
    assert rejected("/v1/metrics", b"") == 0
    assert rejected("/v1/traces", b"<html>garbage") == 0
