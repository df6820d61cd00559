"""Spans and metrics as OTLP writes them (https://opentelemetry.io/docs/specs/otlp/).

The types are OpenTelemetry's own; they come with `carapax[otel]`, and this module is imported when they are needed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge as GaugePoints
from opentelemetry.proto.metrics.v1.metrics_pb2 import Histogram as HistogramPoints
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from carapax.telemetry.registry import Counter, Family, Gauge, Histogram, Labels, merged
from carapax.telemetry.spans import Span, Value
from carapax.version import __version__

LONGEST = 32_768
"""Characters of one value."""
_SCOPE = InstrumentationScope(name="carapax", version=__version__)
_KINDS = {"internal": WireSpan.SPAN_KIND_INTERNAL, "client": WireSpan.SPAN_KIND_CLIENT}
Redact = Callable[[str], str]


class Writer:
    """Writes requests, without secrets: every text goes through `redact`. `resource` says whose telemetry it is."""

    def __init__(self, resource: Mapping[str, str], redact: Redact) -> None:
        self._redact = redact
        self._resource = Resource(attributes=self._attributes(resource))

    def spans(self, spans: Sequence[Span]) -> bytes:
        """A request for /v1/traces."""
        scope = ScopeSpans(scope=_SCOPE, spans=[self._span(span) for span in spans])
        resource = ResourceSpans(resource=self._resource, scope_spans=[scope])
        return ExportTraceServiceRequest(resource_spans=[resource]).SerializeToString()

    def metrics(self, families: Iterable[Family], since: float, now: float) -> bytes:
        """A request for /v1/metrics: all series that there are, counted since that time."""
        told = [family for family in families if isinstance(family, Counter | Gauge | Histogram) and family.series]
        scope = ScopeMetrics(
            scope=_SCOPE, metrics=[self._metric(family, _nanos(since), _nanos(now)) for family in told]
        )
        resource = ResourceMetrics(resource=self._resource, scope_metrics=[scope])
        return ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()

    def _span(self, span: Span) -> WireSpan:
        return WireSpan(
            trace_id=bytes.fromhex(span.trace),
            span_id=bytes.fromhex(span.id),
            parent_span_id=bytes.fromhex(span.parent),
            name=self._text(span.name),
            kind=_KINDS[span.kind],
            start_time_unix_nano=_nanos(span.began_at),
            end_time_unix_nano=_nanos(span.ended_at),
            attributes=self._attributes(span.attributes),
            status=Status(code=Status.STATUS_CODE_ERROR if span.error else Status.STATUS_CODE_UNSET),
        )

    def _metric(self, family: Counter | Gauge | Histogram, since: int, now: int) -> Metric:
        made = Metric(name=family.name, description=family.meaning, unit=family.unit or "1")
        if isinstance(family, Histogram):
            made.histogram.CopyFrom(HistogramPoints(aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE))
            for labels, spread in merged(family.series, self._text).items():
                point = HistogramDataPoint(
                    attributes=self._labels(family, labels),
                    start_time_unix_nano=since,
                    time_unix_nano=now,
                    count=spread.count,
                    sum=spread.total,
                    bucket_counts=spread.counts,
                    explicit_bounds=family.bounds,
                )
                made.histogram.data_points.append(point)
        else:
            points = [
                NumberDataPoint(
                    attributes=self._labels(family, labels),
                    start_time_unix_nano=since if isinstance(family, Counter) else 0,
                    time_unix_nano=now,
                    as_double=amount,
                )
                for labels, amount in merged(family.series, self._text).items()
            ]
            if isinstance(family, Counter):
                kind = AGGREGATION_TEMPORALITY_CUMULATIVE
                made.sum.CopyFrom(Sum(data_points=points, aggregation_temporality=kind, is_monotonic=True))
            else:
                made.gauge.CopyFrom(GaugePoints(data_points=points))
        return made

    def _labels(self, family: Family, values: Labels) -> list[KeyValue]:
        """Of values that have been through `_text`."""
        pairs = zip(family.labels, values, strict=True)
        return [KeyValue(key=name, value=AnyValue(string_value=value)) for name, value in pairs if value]

    def _attributes(self, attributes: Mapping[str, Value]) -> list[KeyValue]:
        return [KeyValue(key=key, value=self._value(value)) for key, value in attributes.items() if value != ""]

    def _value(self, value: Value) -> AnyValue:
        match value:
            case str():
                return AnyValue(string_value=self._text(value))
            case int():
                return AnyValue(int_value=value)
            case float():
                return AnyValue(double_value=value)
        return AnyValue(array_value=ArrayValue(values=[self._value(each) for each in value]))

    def _text(self, text: str) -> str:
        return self._redact(text)[:LONGEST].encode("utf-8", "replace").decode()


def rejected(path: str, body: bytes) -> int:
    """How many spans or points the collector did not take, by its answer to a request that went well; 0 for an answer
    that says nothing that can be understood."""
    try:
        if path.endswith("traces"):
            return int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
        return int(ExportMetricsServiceResponse.FromString(body).partial_success.rejected_data_points)
    except DecodeError:
        return 0


def _nanos(at: float) -> int:
    return round(at * 1e6) * 1000
