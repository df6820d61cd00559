"""Makes spans of runs as they end, and of those that an earlier process left, once they are closed."""

from collections.abc import Callable, Coroutine

from carapax.config import TelemetryConfig
from carapax.events import Envelope, RunStarted
from carapax.store.journal import Journal
from carapax.telemetry.calls import Called
from carapax.telemetry.exporter import Exporter
from carapax.telemetry.runs import MOST_EVENTS, Run, Runs, folded
from carapax.telemetry.spans import spans

Spawn = Callable[[str, Coroutine[object, object, None]], object]


class Tracer:
    """Follows the journal while a collector is configured. A run whose beginning it has not seen, as one that a crash
    cut short, is read back from the journal."""

    def __init__(
        self, journal: Journal, exporter: Exporter, config: Callable[[], TelemetryConfig], spawn: Spawn
    ) -> None:
        self._journal = journal
        self._exporter = exporter
        self._config = config
        self._spawn = spawn
        self._runs = Runs(config)

    @property
    def _telemetry(self) -> TelemetryConfig:
        return self._config()

    def follow(self, envelope: Envelope) -> None:
        """Take a kept event."""
        if not self._telemetry.otlp_endpoint:
            return
        run = self._runs.follow(envelope)
        if run is None:
            return
        if run.root is None or not isinstance(run.events[0].event, RunStarted):
            self._spawn(f"trace of run {run.name}", self._read_back(run, envelope.seq))
        else:
            self._end(run)

    def called(self, call: Called) -> None:
        """Take a call of a model."""
        if self._telemetry.otlp_endpoint:
            self._runs.called(call)

    async def _read_back(self, run: Run, seq: int) -> None:
        events = await self._journal.read(run.session, max(0, seq - 2 * MOST_EVENTS), seq)
        whole = folded(events, run.name, self._config)
        if whole is not None:
            whole.calls = run.calls
            self._end(whole)

    def _end(self, run: Run) -> None:
        if run.root is not None and run.root.sampled:
            self._exporter.add(spans(run, content=self._telemetry.content))
