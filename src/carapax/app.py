"""The composition root: everything is opened, wired, and closed in reverse order here."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Protocol, TypeVar

from carapax import extensions
from carapax.agent.health import open_health
from carapax.agent.ledger import open_accounts
from carapax.agent.models import Means, open_models
from carapax.agent.redacted import Redacted
from carapax.agent.toolbox import Flagged, Permitted, Supervised, Tools, Workable
from carapax.api.services import Services
from carapax.clock import Clock, SystemClock
from carapax.confidential import Confidential, of_providers
from carapax.config import Config, Home
from carapax.contracts import Approver, Channel, Egress, Sandbox, SecretStore, Tool
from carapax.credentials import AgentCredentials, open_credentials
from carapax.doctor.run import Doctor
from carapax.egress import PublicEgress
from carapax.errors import Broken, CarapaxError, Unavailable
from carapax.gauges import Gauges
from carapax.homelock import lock_home
from carapax.http import Http
from carapax.injection import Injections
from carapax.logs.logs import Logs
from carapax.models.facts import FactBook
from carapax.models.keys import Keys
from carapax.models.registry import Registry
from carapax.personas import Personas
from carapax.policy.dry_run import DryRun
from carapax.policy.grants import GrantRule
from carapax.policy.policy import Policy
from carapax.policy.rule_of_two import RuleOfTwo
from carapax.policy.rules import Rules
from carapax.redaction import Secret
from carapax.sandboxes.absent import Absent
from carapax.sessions.answers import Answers
from carapax.sessions.delivery import Delivery
from carapax.sessions.instructions import Instructions
from carapax.sessions.intake import Door
from carapax.sessions.prepare import Agent, Models, Prepare
from carapax.sessions.session import Surroundings
from carapax.sessions.sessions import Sessions
from carapax.sessions.workspaces import Workspaces
from carapax.settings import Settings
from carapax.store.audit import LOCAL, Audit, newest
from carapax.store.database import Database
from carapax.store.files import Files
from carapax.store.grants import Grants
from carapax.store.halt import Halt
from carapax.store.journal import Journal
from carapax.store.migrations import migrate
from carapax.store.outbox import Outbox
from carapax.store.sqlite import open_database
from carapax.store.stains import Stains
from carapax.store.timed import Timed
from carapax.store.tokens import Tokens
from carapax.telemetry.meters import Meters
from carapax.throttle import Bans
from carapax.tls.certificates import open_certificates
from carapax.vault import open_vault

log = logging.getLogger("carapax")
T = TypeVar("T")
RESTART_S = 5.0


async def supervise(what: str, work: Awaitable[T]) -> T:
    """Await work; what nobody expected to go wrong is logged and raised as Broken."""
    try:
        return await work
    except CarapaxError:
        raise
    except Exception as error:
        log.exception("%s failed", what)
        raise Broken(f"{what} failed unexpectedly: {type(error).__name__}", "see the log") from error


class Tasks:
    """Owns every background task: none fails unseen, all are gone at the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start work that ends by itself; a failure is logged."""
        task = asyncio.get_running_loop().create_task(_logged(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._forget(task, work))
        return task

    def keep(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Start work that goes on until the end; when it fails or stops, it is started again after a while."""
        self.spawn(name, _again_and_again(name, work))

    def _forget(self, task: asyncio.Task[None], work: Coroutine[object, object, None]) -> None:
        """A task that is cancelled before its first step leaves its work behind, which is not begun then."""
        self._tasks.discard(task)
        work.close()

    async def close(self) -> None:
        """Cancel what still runs, and wait for it."""
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(self._tasks)


async def _logged(name: str, work: Coroutine[object, object, None]) -> None:
    try:
        await supervise(name, work)
    except CarapaxError as error:
        log.error("%s: %s", name, error)


async def _again_and_again(name: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
    while True:
        await _logged(name, work())
        await asyncio.sleep(RESTART_S)


@asynccontextmanager
async def open_app(
    config: Config,
    home: Home,
    *,
    environ: Mapping[str, str],
    clock: Clock | None = None,
    database: Database | None = None,
    models: Models | None = None,
    egress: Egress | None = None,
    logs: Logs | None = None,
    passphrase: Secret | None = None,
    channels: Iterable[Channel] = (),
    tools: Iterable[Tool] = (),
) -> AsyncGenerator[Services, None]:
    """Open everything behind the door, go on with what an earlier process left, and close it all at the end.

    Yields what operations work with. `passphrase` is that of the vault, where it wants one that `environ` does not lead
    to. What else is given takes the place of what would be opened. Raises ConfigError or a StoreError when it cannot be
    used.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if database is None:
            stack.enter_context(lock_home(home))
            database = await open_database(home.database_file)
        stack.push_async_callback(database.close)
        await migrate(database)
        meters = Meters()
        database = Timed(database, meters.committed)
        journal = Journal(database, clock)
        journal.observe(meters.follow)
        halt = Halt(database, clock)
        await halt.load()
        audit = Audit(database, clock)
        await _note_configuration(audit, home)
        stains = Stains(database)
        await stains.load()
        grants = Grants(database)
        await grants.load()
        files = Files(database, clock)
        await files.sweep()
        certificates = open_certificates(config, home, clock)
        health = await open_health(database, clock)
        http = await stack.enter_async_context(Http())
        vault = open_vault(home, environ, clock, passphrase)
        keys = Keys(vault, environ)
        confidential = Confidential(keys.vault, of_providers(config, environ))
        await confidential.redactor()
        logs = logs or stack.enter_context(Logs())
        stack.enter_context(logs.of(home.log_folder, config.log, lambda: confidential.known))
        tasks = Tasks()
        accounts = await open_accounts(config, database, journal, clock, environ, tasks.spawn)
        stack.push_async_callback(accounts.close)
        accounts.observe(meters.spent)
        facts = FactBook(config.providers, config.models, home.facts_file)
        registry = Registry(home, config, keys, http, clock, facts, health)
        if models is None:
            means = Means(http, keys, clock, health, facts, accounts, files.read, meters.called)
            models = registry.live = await open_models(config, means)
        injections = Injections(home.injection_file)
        agents = await _open_agents(config, home, egress, models, injections, tools, confidential, keys.vault, stack)
        opened = {channel.name: channel for channel in [*channels, *await _open_channels(config, stack)]}
        settings = Settings(config)
        personas = Personas(home.personas)
        instructions = Instructions(home.workspaces, stains)
        delivery = Delivery(opened, Outbox(database), journal, clock, supervise)
        around = Surroundings(
            database,
            journal,
            Prepare(
                clock,
                asyncio.get_running_loop().time,
                models,
                journal,
                personas,
                instructions,
                lambda: settings.current.user,
            ),
            delivery,
            clock,
            supervise,
            tasks.spawn,
            halt,
            audit,
            make_policy(config, GrantRule(grants)),
            stains,
            grants,
            Workspaces(),
            owner=clock.new_id(),
        )
        limits = config.limits
        door = Door(limits, config.door, injections.find, clock.now)
        sessions = Sessions(agents, around, door=door, max_waiting=limits.queued_messages)
        answers = Answers(sessions, journal, audit, delivery, clock)
        stack.push_async_callback(tasks.close)
        await sessions.recover()
        tasks.keep("leases", sessions.keep_leases)
        tasks.keep("certificates", certificates.follow)
        tasks.keep("secrets", confidential.follow)
        for name, channel in opened.items():
            tasks.keep(f"outbox of {name}", partial(delivery.run, name))
            tasks.keep(f"channel {name}", partial(channel.run, door.of(name, answers.submit)))
        tokens, bans = Tokens(database, clock), Bans()
        gauges = Gauges(meters, database, sessions, bans, logs, confidential, clock)
        yield Services(
            settings,
            clock,
            journal,
            sessions,
            tokens,
            files,
            accounts,
            facts,
            http,
            health,
            registry,
            models,
            audit,
            bans,
            grants,
            stains,
            Doctor(home, environ, vault),
            logs,
            certificates,
            personas,
            instructions,
            gauges,
            clock.now(),
        )


async def _note_configuration(audit: Audit, home: Home) -> None:
    """Record that the configuration is another than at the last start."""
    try:
        digest = hashlib.sha256(home.config_file.read_bytes()).hexdigest()
    except OSError:
        digest = "none"
    known = await newest(audit.database, kind="config.changed", limit=1)
    if digest != (known[0].entry.detail.get("digest") if known else "none"):
        await audit.note("config.changed", LOCAL, detail={"digest": digest})


async def _open_agents(
    config: Config,
    home: Home,
    egress: Egress | None,
    models: Models,
    injections: Injections,
    more: Iterable[Tool],
    confidential: Confidential,
    vault: SecretStore,
    stack: AsyncExitStack,
) -> dict[str, Agent]:
    tools, settings = load_tools(config)
    for tool in more:
        tools.append(tool)
        settings[tool.name] = None
    flagged = Flagged(Tools(tools), injections.find)
    able = Workable(flagged, lambda: () if models.searcher() else ("web_search",))
    credentials = open_credentials(config)
    agents: dict[str, Agent] = {}
    for name, agent in config.agents.items():
        its = AgentCredentials(name, credentials, vault)
        whose = f"[agents.{name}.egress]"
        way_out = egress or PublicEgress(config.egress, reach=agent.egress, whose=whose, filling=its)
        toolbox = Redacted(Supervised(Permitted(able, agent.tools), supervise), confidential.redactor)
        sandbox, detail = await _open_sandbox(config, home, name, way_out, stack)
        agents[name] = Agent(name, agent, toolbox, sandbox, way_out, settings, detail, credentials=its)
    return agents


def load_tools(config: Config) -> tuple[list[Tool], dict[str, object]]:
    """Our tools and the extra ones, and each one's settings by its name."""
    tools: list[Tool] = []
    settings: dict[str, object] = {}
    for name in [*extensions.names("tool"), *config.extra_tools]:
        module = extensions.find("tool", name)
        tool: Tool = extensions.export("tool", name, module)
        settings[tool.name] = extensions.configure("tool", name, module, config.tools.get(name, {}))
        tools.append(tool)
    return tools, settings


def make_policy(config: Config, *granted: Approver) -> Policy:
    """Who decides about calls, in this order: the rules of the configuration, what people have granted, the rule of
    two. Raises ConfigError for a rule that is none."""
    policy = config.policy
    approvers = Policy((Rules(policy.rules), *granted, RuleOfTwo()), policy.expires_s)
    return Policy((DryRun(approvers),), policy.expires_s) if policy.dry_run else approvers


class _Opening(Sandbox, AbstractAsyncContextManager[Sandbox], Protocol):
    """A sandbox that can be used once it is opened."""


def make_sandbox(config: Config, agent: str, home: Home, egress: Egress) -> _Opening:
    """The sandbox of an agent, not open yet."""
    kind = config.agents[agent].sandbox
    module = extensions.find("sandbox", kind)
    settings = extensions.configure("sandbox", kind, module, config.sandboxes.get(kind, {}))
    made: _Opening = extensions.export("sandbox", kind, module)(settings, home.workspaces / agent, egress)
    return made


async def _open_sandbox(
    config: Config, home: Home, agent: str, egress: Egress, stack: AsyncExitStack
) -> tuple[Sandbox, str]:
    """The sandbox, or one that refuses everything and says why."""
    try:
        return await stack.enter_async_context(make_sandbox(config, agent, home, egress)), ""
    except Unavailable as error:
        log.warning("agent %s: %s", agent, error)
        return Absent(error), str(error)


async def _open_channels(config: Config, stack: AsyncExitStack) -> list[Channel]:
    channels: list[Channel] = []
    for name, section in config.channels.items():
        module = extensions.find("channel", name)
        settings = extensions.configure("channel", name, module, section)
        channels.append(await stack.enter_async_context(extensions.export("channel", name, module)(settings)))
    return channels
