"""The composition root: everything is opened, wired, and closed in reverse order here."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from carapax.agent.health import Health, open_health
from carapax.agent.ledger import Accounts, open_accounts
from carapax.agent.models import Means, open_models
from carapax.api.services import Services
from carapax.clock import Clock, SystemClock
from carapax.confidential import Confidential, of_providers
from carapax.config import Config
from carapax.configfile import Source
from carapax.contracts import Channel, Egress, Tool
from carapax.doctor.run import Doctor
from carapax.errors import Broken, CarapaxError
from carapax.gauges import Gauges
from carapax.home import Home
from carapax.homelock import lock_home
from carapax.http import Http
from carapax.injection import Injections
from carapax.logs.logs import Logs
from carapax.models.facts import FactBook
from carapax.models.keys import Keys
from carapax.models.registry import Registry
from carapax.owner.owner import Owner
from carapax.parts.agents import LiveAgents
from carapax.parts.channels import LiveChannels
from carapax.parts.policy import LivePolicy
from carapax.personas import Personas
from carapax.policy.grants import GrantRule
from carapax.redaction import Secret
from carapax.sessions.answers import Answers
from carapax.sessions.delivery import Delivery
from carapax.sessions.instructions import Instructions
from carapax.sessions.intake import Door
from carapax.sessions.prepare import Models, Prepare
from carapax.sessions.presence import Presence
from carapax.sessions.session import Surroundings
from carapax.sessions.sessions import Sessions
from carapax.sessions.workspaces import Workspaces
from carapax.settings import Settings, Told
from carapax.store.audit import Audit
from carapax.store.database import Database
from carapax.store.files import Files
from carapax.store.followed import Followed
from carapax.store.grants import Grants
from carapax.store.halt import Halt
from carapax.store.journal import Journal
from carapax.store.migrations import migrate
from carapax.store.outbox import Outbox
from carapax.store.signins import SignIns
from carapax.store.sqlite import open_database
from carapax.store.stains import Stains
from carapax.store.timed import Timed
from carapax.store.tokens import Tokens
from carapax.tailscale.tailscale import Tailscale
from carapax.telemetry.calls import both
from carapax.telemetry.exporter import Exporter, Sending
from carapax.telemetry.meters import Meters
from carapax.telemetry.tracer import Tracer
from carapax.throttle import Bans
from carapax.tls.certificates import open_certificates
from carapax.vault import Vault, open_vault

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

    def keep(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> asyncio.Task[None]:
        """Start work that goes on until the end; when it fails or stops, it is started again after a while."""
        return self.spawn(name, _again_and_again(name, work))

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
    source: Source | None = None,
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

    Yields what operations work with. `source` is what `config` was read from, where the file of the home may say
    something else by now. `passphrase` is that of the vault, where it wants one that `environ` does not lead to. What
    else is given takes the place of what would be opened; with a `database`, the file is not watched. Raises
    ConfigError or a StoreError when it cannot be used.
    """
    async with AsyncExitStack() as stack:
        ground = await _open_ground(
            config, home, environ, source, clock or SystemClock(), database, logs, passphrase, stack
        )
        settings, store, tasks, clock = ground.settings, ground.store, ground.tasks, ground.clock
        accounts = await ground.open_accounts()
        exporter, tracer = ground.open_tracing()
        models, registry = await ground.open_models(accounts, tracer, models)
        injections = Injections(home.injection_file)
        policy = LivePolicy(config, [GrantRule(store.grants)])
        settings.follow(policy)
        agents = await ground.open_agents(models, injections, egress, tools)
        personas, instructions = Personas(home.personas), Instructions(home.workspaces, store.stains, store.followed)
        monotonic = asyncio.get_running_loop().time
        user, days = lambda: settings.current.user, lambda: accounts.days
        prepare = Prepare(clock, monotonic, models, store.journal, personas, instructions, user, days)
        presence = Presence(clock.now, supervise)
        sessions, platforms = await ground.open_sessions(prepare, injections, agents, policy, presence, channels)
        certificates = open_certificates(config, home, clock)
        settings.follow(Told(certificates.tell))
        stack.push_async_callback(tasks.close)
        tasks.keep("telemetry", exporter.run)
        await sessions.recover()
        tasks.keep("leases", sessions.keep_leases)
        tasks.keep("certificates", certificates.follow)
        tasks.keep("secrets", ground.confidential.follow)
        platforms.start()
        if database is None:
            tasks.keep("carapax.toml", settings.watch)
            tasks.keep("what could not be had", settings.mend)
        bans = Bans()
        gauges = Gauges(ground.meters, store.database, sessions, bans, ground.logs, ground.confidential, clock)
        yield Services(
            settings,
            clock,
            store.journal,
            sessions,
            Tokens(store.database, clock),
            Owner(store.database, clock),
            SignIns(store.database, clock),
            store.files,
            accounts,
            registry.facts,
            ground.http,
            store.health,
            registry,
            models,
            store.audit,
            bans,
            store.grants,
            store.stains,
            Doctor(home, environ, ground.vault),
            presence,
            ground.logs,
            certificates,
            Tailscale(environ),
            personas,
            instructions,
            gauges,
            clock.now(),
        )


@dataclass(frozen=True, slots=True)
class _Store:
    """What is kept, and what keeps it."""

    database: Database
    journal: Journal
    halt: Halt
    audit: Audit
    stains: Stains
    followed: Followed
    grants: Grants
    files: Files
    health: Health


async def _open_store(
    home: Home, clock: Clock, database: Database | None, meters: Meters, stack: AsyncExitStack
) -> _Store:
    if database is None:
        stack.enter_context(lock_home(home))
        database = await open_database(home.database_file)
    stack.push_async_callback(database.close)
    await migrate(database)
    database = Timed(database, meters.committed)
    journal = Journal(database, clock)
    journal.observe(meters.follow)
    halt, stains, grants, files = Halt(database, clock), Stains(database), Grants(database), Files(database, clock)
    await halt.load()
    await stains.load()
    followed = Followed(database)
    await followed.load()
    await grants.load()
    await files.sweep()
    health = await open_health(database, clock)
    return _Store(database, journal, halt, Audit(database, clock), stains, followed, grants, files, health)


@dataclass(slots=True)
class _Ground:
    """What all parts stand on."""

    home: Home
    environ: Mapping[str, str]
    clock: Clock
    stack: AsyncExitStack
    tasks: Tasks
    meters: Meters
    store: _Store
    settings: Settings
    http: Http
    logs: Logs
    vault: Vault
    keys: Keys
    confidential: Confidential

    async def open_accounts(self) -> Accounts:
        store, config = self.store, self.settings.current
        accounts = await open_accounts(
            config, store.database, store.journal, self.clock, self.environ, self.tasks.spawn
        )
        self.stack.push_async_callback(accounts.close)
        accounts.observe(self.meters.spent)
        self.settings.follow(accounts)
        return accounts

    def open_tracing(self) -> tuple[Exporter, Tracer]:
        settings, journal = self.settings, self.store.journal
        sending = Sending(self.http, self.clock, self.meters, self.vault, lambda: self.confidential.known)
        exporter = Exporter(lambda: settings.current.telemetry, sending)
        settings.follow(Told(lambda config: exporter.wake()))
        tracer = Tracer(journal, exporter, lambda: settings.current.telemetry, self.tasks.spawn)
        journal.observe(tracer.follow)
        return exporter, tracer

    async def open_models(self, accounts: Accounts, tracer: Tracer, given: Models | None) -> tuple[Models, Registry]:
        """Those that are configured, or those that were given."""
        store, config = self.store, self.settings.current
        facts = FactBook(config.providers, config.models, self.home.facts_file)
        self.settings.follow(Told(facts.tell_of))
        registry = Registry(self.settings, self.keys, self.http, self.clock, facts, store.health)
        if given is not None:
            return given, registry
        observed = both(self.meters.called, tracer.called)
        means = Means(self.http, self.keys, self.clock, store.health, facts, accounts, store.files.read, observed)
        models = registry.live = await open_models(config, means)
        self.settings.follow(models)
        return models, registry

    async def open_agents(
        self, models: Models, injections: Injections, egress: Egress | None, tools: Iterable[Tool]
    ) -> LiveAgents:
        confidential, vault, spawn = self.confidential, self.keys.vault, self.tasks.spawn
        agents = LiveAgents(self.home, models, injections, confidential, vault, supervise, spawn, egress, tuple(tools))
        self.stack.push_async_callback(agents.close)
        await agents.open(self.settings.current)
        self.settings.follow(agents, agents.lacks)
        return agents

    async def open_sessions(
        self,
        prepare: Prepare,
        injections: Injections,
        agents: LiveAgents,
        policy: LivePolicy,
        presence: Presence,
        channels: Iterable[Channel],
    ) -> tuple[Sessions, LiveChannels]:
        """The conversations, and the chat platforms that lead to them; none is listened to yet."""
        store, settings, clock, tasks = self.store, self.settings, self.clock, self.tasks
        delivery = Delivery(Outbox(store.database), store.journal, clock, supervise)
        around = Surroundings(
            store.database,
            store.journal,
            prepare,
            delivery,
            clock,
            supervise,
            tasks.spawn,
            store.halt,
            store.audit,
            agents.agents,
            policy,
            store.stains,
            store.grants,
            Workspaces(),
            owner=clock.new_id(),
        )
        door = Door(lambda: settings.current, injections.find, clock.now)
        sessions = Sessions(around, door=door, max_waiting=lambda: settings.current.limits.queued_messages)
        answers = Answers(sessions, store.journal, store.audit, delivery, clock)
        platforms = LiveChannels(
            delivery, lambda name: door.of(name, answers.submit), tasks.keep, supervise, presence, channels
        )
        self.stack.push_async_callback(platforms.close)
        await platforms.open(settings.current)
        settings.follow(platforms, platforms.lacks)
        return sessions, platforms


async def _open_ground(
    config: Config,
    home: Home,
    environ: Mapping[str, str],
    source: Source | None,
    clock: Clock,
    database: Database | None,
    logs: Logs | None,
    passphrase: Secret | None,
    stack: AsyncExitStack,
) -> _Ground:
    meters = Meters()
    store = await _open_store(home, clock, database, meters, stack)
    settings = Settings(config, home, source, store.audit)
    await settings.note_start()
    http = await stack.enter_async_context(Http())
    vault = open_vault(home, environ, clock, passphrase)
    confidential = Confidential(vault, of_providers(config, environ))
    settings.follow(Told(lambda config: confidential.give(of_providers(config, environ))))
    await confidential.redactor()
    logs = logs or stack.enter_context(Logs())
    stack.enter_context(logs.of(home.log_folder, config.log, lambda: confidential.known))
    settings.follow(Told(lambda config: logs.set(config.log)))
    settings.follow(Told(meters.changed))
    meters.broken.read = lambda: float(settings.problem is not None)
    keys = Keys(vault, environ)
    return _Ground(home, environ, clock, stack, Tasks(), meters, store, settings, http, logs, vault, keys, confidential)
