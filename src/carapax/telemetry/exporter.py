"""Sends spans and metrics to a collector: it waits for nobody, and nobody waits for it."""

import asyncio
import gzip
import importlib.util
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carapax.clock import Clock
from carapax.config import TelemetryConfig
from carapax.contracts import SecretStore
from carapax.errors import CarapaxError, Unavailable
from carapax.http import Http
from carapax.redactor import Redactor
from carapax.telemetry.meters import Meters
from carapax.telemetry.spans import Span
from carapax.version import __version__

if TYPE_CHECKING:
    from carapax.telemetry.otlp import Writer

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


class Again(Unavailable):
    """The collector may take it later, in `wait_s` if it says when."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Sending:
    """What telemetry is sent with: the way there, where secrets of headers are, and what takes secrets out of text."""

    http: Http
    clock: Clock
    meters: Meters
    vault: SecretStore
    redactor: Callable[[], Redactor]


class Exporter:
    """What waits to be sent. At most `QUEUE` spans do; those after them are dropped, and counted."""

    def __init__(self, config: Callable[[], TelemetryConfig], sending: Sending) -> None:
        self._config = config
        self._sending = sending
        self._waiting: deque[Span] = deque()
        self._since = sending.clock.now()
        self._instance = sending.clock.new_id()
        self._trouble = ""
        self._awake = asyncio.Event()
        self._stop = asyncio.Event()

    @property
    def _telemetry(self) -> TelemetryConfig:
        return self._config()

    def add(self, spans: Sequence[Span]) -> None:
        """Send these when it is time."""
        self.wake()
        room = QUEUE - len(self._waiting)
        self._waiting.extend(spans[:room])
        if spans[room:]:
            self._dropped("traces", "queue full", len(spans[room:]))

    def wake(self) -> None:
        """A collector is configured: begin to send."""
        self._awake.set()

    async def run(self) -> None:
        """Send what there is until cancelled, and then what is left, for a moment; rest while no collector is
        configured."""
        self._stop.clear()
        work = asyncio.get_running_loop().create_task(self._work())
        try:
            await asyncio.shield(work)
        finally:
            self._stop.set()
            self._awake.set()
            await asyncio.wait([work], timeout=CLOSE_S)
            work.cancel()
            await asyncio.wait([work])
            self._dropped("traces", "shutdown", len(self._waiting))
            self._waiting.clear()

    async def _work(self) -> None:
        time = asyncio.get_running_loop().time
        metrics_at = 0.0
        ending = False
        while not ending:
            ending = self._stop.is_set()
            if not self._telemetry.otlp_endpoint and not ending:
                self._awake.clear()
                await self._awake.wait()
            await self._pause(SPANS_EVERY_S)
            while self._waiting and self._telemetry.otlp_endpoint:
                await self._send_spans()
            if self._telemetry.otlp_endpoint and (time() >= metrics_at or ending):
                metrics_at = time() + METRICS_EVERY_S
                await self._send_metrics()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not once the end has come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def _send_spans(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            body = await asyncio.to_thread(lambda: self._writer().spans(batch))
            await self._send(TRACES, body, len(batch))
        except asyncio.CancelledError:
            self._dropped("traces", "shutdown", len(batch))
            raise

    async def _send_metrics(self) -> None:
        await self._sending.meters.refresh()
        families, now = list(self._sending.meters.all()), self._sending.clock.now()
        await self._send(METRICS, self._writer().metrics(families, self._since, now), len(families))

    def _writer(self) -> "Writer":
        from carapax.telemetry.otlp import Writer  # noqa: PLC0415  # an optional part, imported when it is used

        resource = {
            "service.name": self._telemetry.service_name,
            "service.version": __version__,
            "service.instance.id": self._instance,
        }
        return Writer(resource, self._sending.redactor())

    async def _send(self, path: str, body: bytes, count: int) -> None:
        """Send a request, again where the collector says that it may help. What it does not take is counted."""
        signal, wait_s = path.rpartition("/")[2], _FIRST_WAIT_S
        packed = await asyncio.to_thread(gzip.compress, body, 5)
        for left in range(_TRIES - 1, -1, -1):
            try:
                refused = max(0, min(count, await self._post(path, packed)))
            except Again as error:
                self._told(str(error))
                if not left or self._stop.is_set():
                    break
                await self._pause(min(_LONGEST_WAIT_S, wait_s if error.wait_s is None else error.wait_s))
                wait_s *= 2
            except CarapaxError as error:
                self._told(str(error))
                break
            else:
                self._told("")
                self._sending.meters.exported.add((signal,), count - refused)
                self._dropped(signal, "refused", refused)
                return
        self._dropped(signal, "not taken", count)

    async def _post(self, path: str, packed: bytes) -> int:
        """How many of it the collector refused. Raises Again, or another CarapaxError when trying again cannot help."""
        from carapax.telemetry.otlp import rejected  # noqa: PLC0415  # an optional part, imported when it is used

        headers = {name: await self._secret(name) for name in self._telemetry.otlp_headers}
        headers |= {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        url = self._telemetry.otlp_endpoint.rstrip("/") + path
        try:
            async with (
                asyncio.timeout(_ANSWER_S),
                self._sending.http.request("POST", url, headers=headers, body=packed) as answer,
            ):
                body = await answer.beginning(_LONGEST_ANSWER, _ANSWER_S)
        except (Unavailable, TimeoutError) as error:
            raise Again(f"the collector does not answer: {error}") from error
        if answer.status == 200:
            return rejected(path, body[:_LONGEST_ANSWER])
        if answer.status in _AGAIN:
            raise Again(f"the collector answers {answer.status}", _seconds(answer.headers.get("Retry-After", "")))
        raise Unavailable(f"the collector answers {answer.status}", "check telemetry.otlp_endpoint and otlp_headers")

    async def _secret(self, header: str) -> str:
        name = self._telemetry.otlp_headers[header]
        secret = await self._sending.vault.get(name)
        if secret is None:
            raise Unavailable(f"there is no secret {name!r} for the header {header}", f"carapax secrets set {name}")
        value = secret.reveal().strip()
        if not value.isprintable():
            raise Unavailable(f"the secret {name!r} has a line end within, so {header} cannot be sent", "set it anew")
        return value

    def _dropped(self, signal: str, reason: str, count: int) -> None:
        if count:
            self._sending.meters.dropped.add((signal, reason), count)

    def _told(self, trouble: str) -> None:
        """Say once that it goes wrong, and once that it goes well again."""
        if trouble and not self._trouble:
            log.warning("telemetry is not taken: %s", trouble)
        elif self._trouble and not trouble:
            log.info("telemetry is taken again")
        self._trouble = trouble


def is_installed() -> bool:
    """Whether the part that writes what collectors read is there: `carapax[otel]`."""
    return bool(importlib.util.find_spec("opentelemetry") and importlib.util.find_spec("opentelemetry.proto"))


def _seconds(text: str) -> float | None:
    """Of a Retry-After; a date counts as absent."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
