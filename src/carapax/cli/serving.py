"""A whole gateway, from its lock to its port, with the run file by which commands find it."""

import os
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import msgspec

from carapax.agent.ledger import Accounts, usd
from carapax.api.services import Services
from carapax.app import open_app, supervise
from carapax.cli.rpc import Running
from carapax.config import Config, Home
from carapax.configfile import Source
from carapax.errors import StoreError
from carapax.gateway.server import open_gateway
from carapax.logs.logs import Logs
from carapax.redaction import Secret
from carapax.sessions.sessions import AgentStatus
from carapax.tls.status import TlsStatus
from carapax.version import __version__


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that listens. `setup` is a setup code, while its owner has neither passkey nor password."""

    running: Running
    agents: list[AgentStatus]
    budgets: list[str]
    guesses: list[str]
    stopped: str
    tls: TlsStatus
    setup: Secret | None = None


@asynccontextmanager
async def serve(
    home: Home,
    config: Config,
    source: Source | None = None,
    passphrase: Secret | None = None,
    logs: Logs | None = None,
) -> AsyncGenerator[Serving, None]:
    """Open the gateway of a home, and close it at the end. `source` is what `config` was read from; `passphrase` is
    that of its vault, where it was asked for; `logs` shows what is logged, which without it is only written to the
    home.

    Raises ConfigError, StoreLocked when another process holds the home, another StoreError when the home cannot be
    used, Unavailable when the port is taken.
    """
    local = Secret(secrets.token_urlsafe(32))
    async with (
        open_app(config, home, environ=os.environ, source=source, passphrase=passphrase, logs=logs) as services,
        _invited(services) as setup,
        open_gateway(services, supervise, local=local) as gateway,
    ):
        url = _url(config.gateway.host, gateway.port, encrypted=gateway.encrypted)
        shown = str(home.shown_file) if gateway.encrypted else ""
        host, tls = config.gateway.host, config.tls
        running = Running(url, os.getpid(), local.reveal(), __version__, shown, host, tls)
        with _announced(home, running):
            stop = services.sessions.stopped
            yield Serving(
                running,
                services.sessions.agents(),
                _budgets(services.accounts),
                _guesses(services),
                stop.told() if stop else "",
                services.certificates.status(),
                setup,
            )


@asynccontextmanager
async def _invited(services: Services) -> AsyncGenerator[Secret | None, None]:
    """A setup code for an owner who has neither passkey nor password; who listens to others has to know of it."""
    yield None if await services.owner.record.is_known() else services.owner.code.make()


def setup_address(url: str) -> str:
    """Where the page takes a setup code: on this machine under its name, for passkeys belong to names."""
    return url.replace("//127.0.0.1:", "//localhost:").replace("//[::1]:", "//localhost:") + "/#/setup"


def _budgets(accounts: Accounts) -> list[str]:
    """What may be spent on models, a sentence for each budget; or that there is no limit."""
    told = [
        f"{budget.name}: {f'{usd(budget.limit)} USD' if budget.limit else 'nothing'} may be spent"
        for budget in accounts.budgets
    ]
    if not any(not budget.agent for budget in accounts.budgets):
        told.append("no limit to what all agents together may spend: set budget.daily_usd or budget.monthly_usd")
    return told


def _guesses(services: Services) -> list[str]:
    """What is not known of the agents' models, and guessed."""
    models = {agent.model for agent in services.sessions.agents() if "/" in agent.model}
    return sorted({note for model in models if (note := services.facts.of(*model.split("/", 1)).note)})


def _url(host: str, port: int, *, encrypted: bool) -> str:
    """An address of this machine under which the gateway answers."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if encrypted else 'http'}://{reached}:{port}"


@contextmanager
def _announced(home: Home, running: Running) -> Iterator[None]:
    """Write the run file, private and at once whole; it is gone again at the end."""
    draft = home.run_file.with_suffix(".new")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(msgspec.json.encode(running))
        draft.replace(home.run_file)
    except OSError as error:
        raise StoreError(f"{home.run_file} cannot be written: {error.strerror}", "make it writable") from error
    try:
        yield
    finally:
        home.run_file.unlink(missing_ok=True)
