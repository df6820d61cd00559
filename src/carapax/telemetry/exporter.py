"""Sends spans and metrics to a collector: it waits for nobody, and nobody waits for it."""

import asyncio
import gzip
import importlib.util
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from carapax.clock import Clock
from carapax.config import TelemetryConfig
from carapax.errors import CarapaxError, ConfigError, Unavailable
from carapax.http import Http
from carapax.redaction import Secret
from carapax.telemetry.meters import Meters
from carapax.telemetry.spans import Span
from carapax.version import __version__

log = logging.getLogger(__name__)

QUEUE = 4096
BATCH = 512
SPANS_EVERY_S, METRICS_EVERY_S = 5.0, 60.0
CLOSE_S = 3.0
_ANSWER_S = 10.0
_TRIES = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_LONGEST_ANSWER = 65_536
_AGAIN = (429, 502, 503, 504)  # https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
TRACES, METRICS = "/v1/traces", "/v1/metrics"

Redactor = Callable[[], Callable[[str], str]]
Headers = Callable[[], Awaitable[Mapping[str, Secret]]]


class Again(Unavailable):
    """The collector may take it later, in `wait_s` if it says when."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Means:
    """What telemetry is sent with: the way there, who it is, the headers (secrets), what takes secrets out of text, and
    what reads the gauges before metrics are sent."""

    http: Http
    clock: Clock
    meters: Meters
    headers: Headers
    redactor: Redactor
    refresh: Callable[[], Awaitable[None]]


class Exporter:
    """What waits to be sent. At most `QUEUE` spans do; those after them are dropped, and counted."""

    def __init__(self, config: TelemetryConfig, means: Means) -> None:
        self._base = config.otlp_endpoint.rstrip("/")
        self._means = means
        self._waiting: deque[Span] = deque()
        self._since = means.clock.now()
        self._resource = {
            "service.name": config.service_name,
            "service.version": __version__,
            "service.instance.id": means.clock.new_id(),
        }
        self._trouble = ""

    def add(self, spans: Sequence[Span]) -> None:
        """Send these when it is time."""
        room = QUEUE - len(self._waiting)
        self._waiting.extend(spans[:room])
        if spans[room:]:
            self._dropped("traces", "queue full", len(spans[room:]))

    async def run(self) -> None:
        """Send what there is until cancelled, and then what is left, for a moment."""
        time = asyncio.get_running_loop().time
        metrics_at = time() + METRICS_EVERY_S
        try:
            while True:
                await asyncio.sleep(SPANS_EVERY_S)
                while self._waiting:
                    await self._send_spans(_TRIES)
                if time() >= metrics_at:
                    metrics_at = time() + METRICS_EVERY_S
                    await self._send_metrics(_TRIES)
        finally:
            await self._farewell()

    async def _farewell(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                while self._waiting:
                    await self._send_spans(1)
                await self._send_metrics(1)
        except TimeoutError:
            self._dropped("traces", "shutdown", len(self._waiting))

    async def _send_spans(self, tries: int) -> None:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        done = False
        try:
            body = await asyncio.to_thread(lambda: self._writer().spans(batch))
            await self._send(TRACES, body, len(batch), tries)
            done = True
        finally:
            if not done:  # cancelled in the middle: they may go out yet
                self._waiting.extendleft(reversed(batch))

    async def _send_metrics(self, tries: int) -> None:
        await self._means.refresh()
        families, now = list(self._means.meters.all()), self._means.clock.now()
        await self._send(METRICS, self._writer().metrics(families, self._since, now), len(families), tries)

    def _writer(self) -> "Writer":
        from carapax.telemetry.otlp import Writer  # noqa: PLC0415  # an optional part, imported when it is used

        return Writer(self._resource, self._means.redactor())

    async def _send(self, path: str, body: bytes, count: int, tries: int) -> None:
        """Send a request, again where the collector says that it may help. What it does not take is counted."""
        signal, wait_s = path.rpartition("/")[2], _FIRST_WAIT_S
        packed = await asyncio.to_thread(gzip.compress, body, 5)
        for left in range(tries - 1, -1, -1):
            try:
                refused = await self._post(path, packed)
            except Again as error:
                self._told(str(error))
                if not left:
                    break
                await asyncio.sleep(min(_LONGEST_WAIT_S, error.wait_s or wait_s))
                wait_s *= 2
            except CarapaxError as error:
                self._told(str(error))
                break
            else:
                self._told("")
                self._means.meters.exported.add((signal,), count)
                if refused:
                    self._dropped(signal, "refused", refused)
                return
        self._dropped(signal, "not taken", count)

    async def _post(self, path: str, packed: bytes) -> int:
        """How many of it the collector refused. Raises Again, or another CarapaxError when trying again cannot help."""
        from carapax.telemetry.otlp import rejected  # noqa: PLC0415  # an optional part, imported when it is used

        headers = {name: value.reveal() for name, value in (await self._means.headers()).items()}
        headers |= {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        try:
            async with (
                asyncio.timeout(_ANSWER_S),
                self._means.http.request("POST", self._base + path, headers=headers, body=packed) as answer,
            ):
                body = await answer.beginning(_LONGEST_ANSWER, _ANSWER_S)
        except (Unavailable, TimeoutError) as error:
            raise Again(f"the collector does not answer: {error}") from error
        if answer.status == 200:
            return rejected(path, body[:_LONGEST_ANSWER])
        if answer.status in _AGAIN:
            raise Again(f"the collector answers {answer.status}", _seconds(answer.headers.get("Retry-After", "")))
        raise Unavailable(f"the collector answers {answer.status}", "check telemetry.otlp_endpoint and otlp_headers")

    def _dropped(self, signal: str, reason: str, count: int) -> None:
        if count:
            self._means.meters.dropped.add((signal, reason), count)

    def _told(self, trouble: str) -> None:
        """Say once that it goes wrong, and once that it goes well again."""
        if trouble and not self._trouble:
            log.warning("telemetry is not taken: %s", trouble)
        elif self._trouble and not trouble:
            log.info("telemetry is taken again")
        self._trouble = trouble


def check_installed(config: TelemetryConfig) -> None:
    """Raises ConfigError when a collector is configured and the part that speaks to it is not there."""
    if config.otlp_endpoint and importlib.util.find_spec("opentelemetry.proto") is None:
        raise ConfigError("telemetry.otlp_endpoint needs OpenTelemetry's types", "pip install 'carapax[otel]'")


def _seconds(text: str) -> float | None:
    """Of a Retry-After; a date counts as absent."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
