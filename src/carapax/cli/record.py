"""What a home holds: asked of the gateway that runs on it, else read from its database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from carapax.cli.rpc import find_gateway

if TYPE_CHECKING:
    from carapax.agent.costs import Costs
    from carapax.config import Home
    from carapax.events import Envelope
    from carapax.messages import Trust
    from carapax.sessions.sessions import Stopped
    from carapax.store.audit import Recorded, Verdict
    from carapax.store.halt import Stop
    from carapax.store.records import SessionInfo
    from carapax.store.spend import By
    from carapax.store.tokens import Token


class Record(Protocol):
    """All of it is as of the call; a session or token that does not exist raises a CarapaxError."""

    def sessions(self, limit: int) -> list[SessionInfo]: ...
    def events(self, session: str) -> Iterable[Envelope]: ...
    def fork(self, session: str, at: int | None) -> SessionInfo: ...
    def export(self, session: str) -> bytes: ...
    def import_(self, lines: bytes) -> SessionInfo: ...
    def costs(self, by: By, days: int) -> Costs: ...
    def create_token(self, name: str, scopes: tuple[str, ...], trust: Trust) -> tuple[Token, str]: ...
    def tokens(self) -> list[Token]: ...
    def revoke_token(self, token: str) -> None: ...
    def audit_newest(self, kind: str, limit: int) -> list[Recorded]: ...
    def audit_after(self, number: int, limit: int) -> list[Recorded]: ...
    def verify_audit(self) -> Verdict: ...
    def stop_agents(self, reason: str) -> Stopped: ...
    def release_agents(self) -> Stop | None: ...


def open_record(home: Home) -> Record:
    """The two kinds are imported when needed: neither should pay for the other."""
    if gateway := find_gateway(home):
        from carapax.cli.asked import Asked

        return Asked(gateway)
    from carapax.cli.stored import Stored

    return Stored(home)
