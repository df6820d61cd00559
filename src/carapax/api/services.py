"""What operations work with."""

from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from carapax.agent.health import Health
from carapax.agent.ledger import Accounts
from carapax.clock import Clock
from carapax.config import Config
from carapax.doctor.run import Doctor
from carapax.gauges import Gauges
from carapax.http import Http
from carapax.logs.logs import Logs
from carapax.messages import Sender, Trust
from carapax.models.facts import FactBook
from carapax.models.registry import Registry
from carapax.owner.owner import Owner
from carapax.personas import Personas
from carapax.sessions.instructions import Instructions
from carapax.sessions.prepare import Models
from carapax.sessions.presence import Presence
from carapax.sessions.sessions import Sessions
from carapax.settings import Settings
from carapax.store.audit import Actor, Audit
from carapax.store.files import Files
from carapax.store.grants import Grants
from carapax.store.journal import Journal
from carapax.store.signins import SignIn, SignIns
from carapax.store.stains import Stains
from carapax.store.tokens import Tokens
from carapax.tailscale.tailscale import Tailscale
from carapax.throttle import Bans
from carapax.tls.certificates import Certificates


class Caller(Struct, frozen=True):
    """Who asks: a stable `id`, a `name` for show, the scopes held, the address it came from, if any, and whose words
    its messages are. `signin` is how a browser is in, `page` the origin of the page of ours that it asks from, and
    `free` says that nothing had to be shown."""

    id: str
    name: str
    scopes: tuple[str, ...]
    address: str = ""
    trust: Trust = "owner"
    signin: SignIn | None = None
    page: str = ""
    free: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it is a command of the same user on this machine."""
        return self == LOCAL

    def actor(self) -> Actor:
        """The caller as the audit log names it."""
        return Actor(self.id, self.name, self.address)

    def sender(self) -> Sender:
        """The caller as it stands under its messages."""
        return Sender(self.id, self.name, self.trust)


class Watcher(Protocol):
    """A connection that events can be sent to."""

    async def watch(self, session: str, after: int | None) -> None:
        """Send the events of a session from now on, with `after` first those it missed; "" means all sessions."""
        ...

    def unwatch(self, session: str) -> None:
        """Stop, if it was watching."""
        ...


LOCAL = Caller("local", "", ("admin",))
"""Whoever is at this machine."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of an open gateway, `caller`, and `watcher` where the request came over a connection that stays."""

    settings: Settings
    clock: Clock
    journal: Journal
    sessions: Sessions
    tokens: Tokens
    owner: Owner
    signins: SignIns
    files: Files
    accounts: Accounts
    facts: FactBook
    http: Http
    health: Health
    registry: Registry
    models: Models
    audit: Audit
    bans: Bans
    grants: Grants
    stains: Stains
    doctor: Doctor
    presence: Presence
    logs: Logs
    certificates: Certificates
    tailscale: Tailscale
    personas: Personas
    instructions: Instructions
    gauges: Gauges
    started_at: float
    caller: Caller = LOCAL
    watcher: Watcher | None = None

    @property
    def config(self) -> Config:
        """The configuration in force now; it may be another one after the next await."""
        return self.settings.current
