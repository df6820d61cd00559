"""What is measured. It is fed where things pass: events from the journal, calls of models from a wrapper, requests
from the gateway's one door, commits from a wrapper of the store."""

import resource
import sys
from collections.abc import Awaitable, Callable, Iterator

from carapax.config import Config
from carapax.contracts import Spend
from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    BudgetReached,
    Envelope,
    MessageReceived,
    MessageSent,
    RunFinished,
    RunStarted,
    SendFailed,
    ToolCalled,
    ToolReturned,
)
from carapax.telemetry.calls import Called
from carapax.telemetry.registry import OTHER, Counter, Family, Gauge, Histogram
from carapax.version import __version__

# Advised by https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ and .../http/http-metrics/.
_CALL_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_SHORT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_MODEL = ("gen_ai.provider.name", "gen_ai.request.model")
_CHAT = ("gen_ai.operation.name", *_MODEL)
_DOLLAR = 1_000_000_000
_MOST_RUNS = 10_000
_MOST_TOOLS = 1_000


class Meters:
    """All metrics of a gateway."""

    def __init__(self) -> None:
        self._of_gateway()
        self._of_sessions()
        self._of_models()
        self._runs: dict[str, tuple[str, float]] = {}
        self._tools: set[str] = set()
        self.refresh: Callable[[], Awaitable[None]] = _nothing
        """Reads what gauges tell only when they are asked; awaited before they are."""

    def _of_gateway(self) -> None:
        self.build = Gauge("carapax.build.info", "Always 1; the version is in the label", ["version"])
        self.uptime = Gauge("carapax.uptime", "Time since the gateway started", unit="s")
        self.memory = Gauge("process.memory.usage", "Resident memory of the gateway", unit="By")
        self.cpu = Gauge("carapax.cpu.time", "Time that processors spent on the gateway", ["mode"], "s")
        self.loop_lag = Histogram("carapax.loop.lag", "How late the event loop comes to what is due", bounds=_SHORT_S)
        self.requests = Histogram(
            "http.server.request.duration",
            "Requests by what they are for, and how long each took; a stream or WebSocket takes as long as it is open",
            ["http.route", "http.response.status_code"],
            bounds=_REQUEST_S,
        )
        self.connections = Gauge("carapax.connections", "Requests, streams and WebSockets that are open")
        self.bans = Gauge("carapax.bans", "Addresses and tokens that are banned now")
        self.secrets = Gauge("carapax.secrets", "Secrets in the vault")
        self.commits = Histogram(
            "carapax.store.commit.duration", "How long a commit took, synced to disk", bounds=_SHORT_S
        )
        self.changes = Counter("carapax.config.changes", "Times that another configuration was put in force")
        self.broken = Gauge("carapax.config.broken", "1 while carapax.toml cannot be put in force")
        self.lost_lines = Gauge("carapax.log.lost", "Lines of the log that were lost")
        self.exported = Counter("carapax.telemetry.exported", "Spans and metrics that a collector took", ["signal"])
        self.dropped = Counter(
            "carapax.telemetry.dropped", "Spans and metrics that no collector took, and why", ["signal", "reason"]
        )
        self.build.read = lambda: {(__version__,): 1.0}
        self.memory.read = memory
        self.cpu.read = _cpu

    def _of_sessions(self) -> None:
        self.events = Counter("carapax.events", "Events that were kept in the journal", ["kind"])
        self.messages = Counter("carapax.messages.received", "Messages that were accepted", ["channel", "trust"])
        self.waiting = Gauge("carapax.messages.waiting", "Accepted messages that no run has taken yet")
        self.sent = Counter("carapax.replies.sent", "Replies that a chat platform took")
        self.refused = Counter("carapax.replies.failed", "Replies that a chat platform refused for good")
        self.outbox = Gauge("carapax.outbox", "Replies that wait to be sent, or were given up", ["channel", "state"])
        self.running = Gauge("carapax.sessions.running", "Sessions with a run under way")
        self.runs = Counter("carapax.runs", "Runs by how they ended", ["gen_ai.agent.name", "reason"])
        self.agent_s = Histogram(
            "gen_ai.invoke_agent.duration", "How long a run took", ["gen_ai.agent.name"], bounds=_CALL_S
        )
        self.tools = Counter(
            "carapax.tool.calls", "Calls of tools by what became of them", ["gen_ai.tool.name", "outcome"]
        )
        self.tool_s = Histogram(
            "gen_ai.execute_tool.duration",
            "How long calls of tools took that ran",
            ["gen_ai.tool.name", "error.type"],
            bounds=_CALL_S,
        )
        self.asked = Counter(
            "carapax.approvals.asked", "Questions to people before a call of a tool", ["gen_ai.tool.name"]
        )
        self.answered = Counter(
            "carapax.approvals.answered", "Answers to questions, and those that nobody gave in time", ["verdict"]
        )
        self.pending = Gauge("carapax.approvals.waiting", "Questions that wait for a person")
        self.budgets = Counter("carapax.budgets.reached", "Times that so much of a budget was spent", ["percent"])

    def _of_models(self) -> None:
        self.call_s = Histogram(
            "gen_ai.client.operation.duration",
            "Calls of models, each try of them, and how long they took",
            [*_CHAT, "error.type"],
            bounds=_CALL_S,
        )
        self.first_s = Histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "How long the first word of a model took",
            _CHAT,
            bounds=_FIRST_S,
        )
        self.usage = Histogram(
            "gen_ai.client.token.usage",
            "Tokens of one call",
            [*_CHAT, "gen_ai.token.type"],
            "{token}",
            bounds=_TOKENS,
        )
        self.tokens = Counter(
            "carapax.tokens",
            "Tokens by kind; those read from and written to the cache are parts of the input, reasoning of the output",
            [*_MODEL, "kind"],
        )
        self.cost = Counter("carapax.cost", "What models cost", _MODEL, "USD")

    def all(self) -> Iterator[Family]:
        return (family for family in vars(self).values() if isinstance(family, Family))

    def follow(self, envelope: Envelope) -> None:
        """Count a kept event."""
        event = envelope.event
        self.events.add((type(event).__struct_config__.tag,))  # type: ignore[arg-type] # every event has a tag of text
        match event:
            case MessageReceived():
                self.messages.add((event.channel, event.sender.trust))
            case RunStarted():
                self._runs[envelope.run] = (event.agent, envelope.at)
                if len(self._runs) > _MOST_RUNS:
                    del self._runs[next(iter(self._runs))]
            case RunFinished():
                agent, began_at = self._runs.pop(envelope.run, (OTHER, 0.0))
                self.runs.add((agent, event.reason))
                if began_at:
                    self.agent_s.observe((agent,), max(0.0, envelope.at - began_at))
            case ToolCalled() if len(self._tools) < _MOST_TOOLS:
                self._tools.add(event.call.name)
            case ToolReturned():
                self._returned(event)
            case ApprovalAsked():
                self.asked.add((event.tool,))
            case ApprovalGiven():
                self.answered.add((event.verdict if event.by else "expired",))
            case MessageSent():
                self.sent.add()
            case SendFailed():
                self.refused.add()
            case BudgetReached():
                self.budgets.add((str(event.percent),))

    def _returned(self, event: ToolReturned) -> None:
        """A model may name tools that do not exist, as many as it likes: only those that were called have a name."""
        name = event.result.name if event.result.name in self._tools else OTHER
        ran = event.elapsed_s > 0
        self.tools.add((name, "failed" if event.result.is_error and ran else "done" if ran else "not run"))
        if ran:
            self.tool_s.observe((name, "tool_error" if event.result.is_error else ""), event.elapsed_s)

    def called(self, call: Called) -> None:
        """Count a call of a model."""
        model = ("chat", call.provider, call.model)
        self.call_s.observe((*model, call.error), call.took_s)
        if call.first_s is not None:
            self.first_s.observe(model, call.first_s)
        if call.answer is not None and call.answer.usage.input + call.answer.usage.output:
            self.usage.observe((*model, "input"), call.answer.usage.input)
            self.usage.observe((*model, "output"), call.answer.usage.output)

    def changed(self, _config: Config) -> None:
        """Count another configuration."""
        self.changes.add()

    def committed(self, seconds: float) -> None:
        """Count a commit of the store."""
        self.commits.observe((), seconds)

    def spent(self, spend: Spend) -> None:
        """Count what a call of a model or of an embedder took."""
        model, usage = (spend.provider, spend.model), spend.usage
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning"):
            if amount := getattr(usage, kind):
                self.tokens.add((*model, kind), amount)
        self.cost.add(model, spend.cost / _DOLLAR)


async def _nothing() -> None:
    pass


def memory() -> float:
    """Resident memory in bytes; where the system does not tell what it is now (proc(5), statm), the most it was."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 # at each look, and twice as fast
            return int(stream.read().split()[1]) * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _cpu() -> dict[tuple[str, ...], float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {("user",): used.ru_utime, ("system",): used.ru_stime}
