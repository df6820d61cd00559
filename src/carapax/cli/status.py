"""`carapax status`: how the gateway is, on one screen."""

import sys
import time
from collections.abc import Iterator

import click
import msgspec
from msgspec import Struct

from carapax.agent.costs import Costs
from carapax.agent.ledger import Standing
from carapax.api.approval import Approvals
from carapax.api.channel import Channels
from carapax.api.cooldown import States
from carapax.api.health import Status
from carapax.cli.costs import usd
from carapax.cli.group import home, takes_home
from carapax.cli.rpc import Gateway, find_gateway
from carapax.cli.terminal import State, clean, mark, one_line, time_of
from carapax.config import Home
from carapax.errors import CarapaxError, Unavailable
from carapax.sessions.presence import Standing as Presence
from carapax.sessions.sessions import AgentStatus
from carapax.store import health
from carapax.store.records import SessionInfo
from carapax.tls.status import TlsStatus
from carapax.version import __version__

_LOOK_EVERY_S = 2.0
_PATIENCE_S = 10.0
_NOT_RUNNING = 3
_SOON_S = 14 * 86_400.0
_CHANNEL: dict[str, tuple[State, str]] = {
    "listening": ("ok", "listens"),
    "broken": ("fail", "is broken and tried again"),
    "ended": ("fail", "has ended"),
}


class Agent(Struct, frozen=True):
    """An agent in a line."""

    name: str
    model: str
    sandbox: str
    sandbox_ok: bool
    detail: str


class Running(Struct, frozen=True):
    """A session with a run under way."""

    id: str
    agent: str
    title: str


class Overview(Struct, frozen=True):
    """How the gateway is. Without a gateway all but `home` and `running` is left at its default."""

    home: str
    running: bool
    url: str = ""
    version: str = ""
    pid: int = 0
    uptime_s: float = 0.0
    memory_bytes: int = 0
    tls: TlsStatus = TlsStatus("off")
    stopped: str = ""
    agents: list[Agent] = []
    sessions: list[Running] = []
    approvals: int = 0
    today_usd: float = 0.0
    budgets: list[Standing] = []
    ailing: list[health.State] = []
    channels: list[Presence] = []


class _Agents(Struct):
    agents: list[dict[str, str]]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON.")
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@takes_home
def command(as_json: bool, watch: bool) -> None:
    """Show on one screen how the gateway is.

    Exits with 0 when it runs, 3 when it does not, 1 when it runs and does not answer.
    """
    try:
        seen = _shown(home(), as_json)
        while watch:
            time.sleep(_LOOK_EVERY_S)
            seen = _shown(home(), as_json, anew=True)
    except KeyboardInterrupt:
        return
    sys.exit(0 if seen.running else _NOT_RUNNING)


def _shown(place: Home, as_json: bool, *, anew: bool = False) -> Overview:
    gateway = find_gateway(place)
    seen = overview(place, Gateway(gateway.running, _PATIENCE_S)) if gateway else Overview(str(place.data_dir), False)
    if anew and not as_json and sys.stdout.isatty():
        click.clear()
    click.echo(msgspec.json.encode(seen) if as_json else "\n".join(_lines(seen)))
    return seen


def overview(place: Home, gateway: Gateway) -> Overview:
    """What the gateway says of itself. Raises CarapaxError when it does not answer."""
    status = gateway.call("status", {}, Status)
    named = [agent["name"] for agent in gateway.call("agent.list", {}, _Agents).agents]
    agents = [gateway.call("agent.status", {"agent": name}, AgentStatus) for name in named]
    costs = gateway.call("costs.get", {"days": 1}, Costs)
    return Overview(
        str(place.data_dir),
        True,
        gateway.running.url,
        status.version,
        gateway.running.pid,
        status.uptime_s,
        status.memory_bytes,
        gateway.call("tls.status", {}, TlsStatus),
        status.stopped.told() if status.stopped else "",
        [Agent(one.name, one.model, one.sandbox, one.sandbox_ok, one.sandbox_detail) for one in agents],
        list(_running(gateway, status.running)),
        len(gateway.call("approval.list", {}, Approvals).approvals),
        costs.total.cost_usd,
        costs.budgets,
        gateway.call("model.health", {}, States).models,
        gateway.call("channel.list", {}, Channels).channels,
    )


def _running(gateway: Gateway, sessions: list[str]) -> Iterator[Running]:
    for session in sessions:
        try:
            info = gateway.call("session.get", {"session": session}, SessionInfo)
        except Unavailable:
            raise
        except CarapaxError:
            continue  # it is gone since the list was made
        yield Running(info.id, info.agent, info.title)


def _lines(seen: Overview) -> Iterator[str]:
    if not seen.running:
        yield f"{mark('fail')} no gateway runs on {seen.home}: start it with `carapax`, or `carapax daemon start`"
        return
    yield f"{mark('ok')} carapax {seen.version} at {seen.url}"
    yield f"{mark('')} process    {seen.pid}, up {_span(seen.uptime_s)}, {seen.memory_bytes / 1e6:.0f} MB of memory"
    yield _connection(seen.tls)
    yield f"{mark('')} data       {seen.home}"
    if seen.version != __version__:
        yield f"{mark('warn')} carapax {__version__} is in use from the next start on: `carapax daemon restart`"
    if seen.stopped:
        yield f"{mark('fail')} agents are stopped: {one_line(seen.stopped, 200)}; `carapax stop-agents --release`"
    for agent in seen.agents:
        state = "works" if agent.sandbox_ok else f"CANNOT BE USED: {one_line(agent.detail, 120)}"
        line = f"agent {agent.name}: {clean(agent.model)}; sandbox {agent.sandbox} {state}"
        yield f"{mark('ok' if agent.sandbox_ok else 'warn')} {line}"
    yield f"{mark('')} running    {len(seen.sessions) or 'nothing'}"
    for session in seen.sessions[:10]:
        yield f"{mark('')}            {session.id}  {session.agent}  {one_line(session.title, 50)}"
    if seen.approvals:
        yield f"{mark('warn')} {seen.approvals} calls wait for a yes: `carapax approvals`"
    yield from _money(seen)
    for failed in seen.ailing:
        until = f", asked again at {time_of(failed.until)}" if failed.until else ""
        yield f"{mark('warn')} model {one_line(f'{failed.provider}/{failed.model}', 80)} failed{until}"
    for channel in seen.channels:
        state, how = _CHANNEL[channel.state]
        detail = f": {one_line(channel.detail, 120)}" if channel.detail else ""
        yield f"{mark(state)} channel {one_line(channel.name, 40)} {how} since {time_of(channel.since)}{detail}"


def _connection(tls: TlsStatus) -> str:
    if tls.certificate is None:
        return f"{mark('')} connection {'not encrypted' if tls.mode == 'off' else 'encrypted (TLS)'}"
    left_s = tls.certificate.until - time.time()
    state: State = "fail" if left_s < 0 else "warn" if tls.problem or left_s < _SOON_S else ""
    renewed = f", renewed {time_of(tls.renews_at)}" if tls.renews_at else ""
    problem = f"; {one_line(tls.problem, 120)}" if tls.problem else ""
    until = f"certificate until {time_of(tls.certificate.until)}"
    return f"{mark(state)} connection encrypted (TLS), {until}{renewed}{problem}"


def _money(seen: Overview) -> Iterator[str]:
    yield f"{mark('')} today      {usd(seen.today_usd)} USD"
    for budget in seen.budgets:
        share = budget.spent_usd / budget.limit_usd if budget.limit_usd else 1.0
        state: State = "ok" if share < 0.8 else "warn" if share < 1 else "fail"
        spent = f"{usd(budget.spent_usd)} of {usd(budget.limit_usd)} USD"
        yield f"{mark(state)} budget {one_line(budget.name, 40)}: {spent}"


def _span(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
