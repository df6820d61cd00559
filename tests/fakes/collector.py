"""An OpenTelemetry collector stand-in: it reads OTLP over HTTP with the real types, and misbehaves as it is told."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from msgspec import Struct
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Reply(Struct, frozen=True):
    """What it answers to one request: after `delay_s`, or never with `cut`, which ends the connection. `rejected` is
    how many spans it says that it did not take."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    delay_s: float = 0.0
    cut: bool = False
    rejected: int = 0


@dataclass
class Collector:
    """What came, as it was read; `bodies` are the requests unpacked, `headers` theirs. Replies are used up in turn."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    resources: list[dict[str, object]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, spans: int = 0, requests: int = 0, metrics: int = 0, within_s: float = 30) -> None:
        """Wait until so many have come. Raises TimeoutError."""
        async with asyncio.timeout(within_s), self.came:
            await self.came.wait_for(
                lambda: len(self.spans) >= spans and len(self.bodies) >= requests and len(self.metrics) >= metrics
            )

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()  # unpacked
        assert request.content_type == "application/x-protobuf" or not body
        reply = self.replies.pop(0) if self.replies else Reply()
        async with self.came:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
            if reply.status == 200 and not reply.cut:
                self._read(request.path, body)
            self.came.notify_all()
        await asyncio.sleep(reply.delay_s)
        if reply.cut:
            assert request.transport is not None
            request.transport.abort()
        answer = reply.body
        if reply.rejected:
            partial = ExportTracePartialSuccess(rejected_spans=reply.rejected, error_message="too many")
            answer = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        return web.Response(
            body=answer, status=reply.status, headers=reply.headers, content_type="application/x-protobuf"
        )

    def _read(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for traced in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(plain(traced.resource.attributes))
                self.spans += [span for scope in traced.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics"
            for measured in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics += [metric for scope in measured.scope_metrics for metric in scope.metrics]


def plain(attributes: Sequence[KeyValue]) -> dict[str, object]:
    """Attributes as Python has them."""
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    found: object = getattr(value, str(kind))
    return found


@asynccontextmanager
async def collector(*replies: Reply) -> AsyncGenerator[Collector, None]:
    """A collector on a free port of this machine."""
    made = Collector(replies=list(replies))
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/{signal}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
