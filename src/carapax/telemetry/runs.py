"""Which events and calls of models belong to which run, folded from events as they happen or from the journal."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct

from carapax.config import TelemetryConfig
from carapax.events import Envelope, MessageReceived, RunFinished, RunStarted, Steered
from carapax.telemetry.calls import Called
from carapax.telemetry.trace import Root, root_in, root_of

MOST_EVENTS = 2_000
"""Events of one run that are looked at; those after them only count."""
_MOST_KNOWN = 10_000
K = TypeVar("K")
V = TypeVar("V")


class Run(Struct):
    """A run: its events from RunStarted to RunFinished, those calls of models that this process made for it, and the
    texts it was given. Without a `root` it is not known where it hangs, or how it began."""

    name: str
    session: str
    root: Root | None
    events: list[Envelope] = []
    calls: list[Called] = []
    said: list[str] = []
    skipped: int = 0


class Runs:
    """Runs under way, of all sessions or of one. What they were told is kept only where content is to be sent."""

    def __init__(self, config: Callable[[], TelemetryConfig]) -> None:
        self._config = config
        self._open: dict[str, Run] = {}
        self._messages: dict[str, tuple[str, str]] = {}
        self._roots: dict[str, Root] = {}

    @property
    def _telemetry(self) -> TelemetryConfig:
        return self._config()

    def follow(self, envelope: Envelope) -> Run | None:
        """Take a kept event. Returns the run that ends with it."""
        event = envelope.event
        if isinstance(event, MessageReceived):
            _remember(self._messages, event.id, (event.trace, event.text if self._telemetry.content else ""))
            return None
        if not envelope.run:
            return None
        if isinstance(event, RunStarted):
            run = Run(envelope.run, envelope.session, self._root(envelope.run, event), said=self._said(event.messages))
            _remember(self._open, envelope.run, run)
            if run.root is not None:
                _remember(self._roots, envelope.run, run.root)
        run = self._open.get(envelope.run) or Run(envelope.run, envelope.session, None)
        if isinstance(event, Steered):
            run.said += self._said(event.messages)
        if len(run.events) < MOST_EVENTS or isinstance(event, RunFinished):
            run.events.append(envelope)
        else:
            run.skipped += 1
        if isinstance(event, RunFinished):
            self._open.pop(envelope.run, None)
            return run
        return None

    def called(self, call: Called) -> None:
        """Take a call of a model."""
        run = self._open.get(call.spender.run)
        if run is not None and len(run.calls) < MOST_EVENTS:
            run.calls.append(call)

    def _root(self, name: str, start: RunStarted) -> Root | None:
        """One that goes on after a crash hangs where the one hung that it resumes."""
        if start.resumes:
            return self._roots.get(start.resumes)
        traces = [self._messages[message][0] for message in start.messages if message in self._messages]
        if len(traces) < len(start.messages):
            return None
        return next((root for trace in traces if (root := root_in(trace))), root_of(name))

    def _said(self, messages: Iterable[str]) -> list[str]:
        texts = [self._messages.get(message, ("", ""))[1] for message in messages]
        return [text for text in texts if text]


def folded(envelopes: Iterable[Envelope], name: str, config: Callable[[], TelemetryConfig]) -> Run | None:
    """The run of this name from the events of its session, if it begins and ends among them. Where it hangs is guessed
    when what says so came before them."""
    runs, found = Runs(config), None
    for envelope in envelopes:
        run = runs.follow(envelope)
        found = run if run is not None and run.name == name else found
    if found is None or not isinstance(found.events[0].event, RunStarted):
        return None
    found.root = found.root or root_of(found.events[0].event.resumes or name)
    return found


def _remember(known: dict[K, V], key: K, value: V) -> None:
    known[key] = value
    if len(known) > _MOST_KNOWN:
        del known[next(iter(known))]
