"""The record of a home as its running gateway tells it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from carapax.agent.costs import Costs
from carapax.api.approval import Given
from carapax.api.audit import Entries
from carapax.api.owner import Changed, Status
from carapax.api.signin import Ended, SignIns
from carapax.api.stop import Released
from carapax.api.vouching import Read, Stained
from carapax.cli.rpc import Gateway
from carapax.events import Envelope
from carapax.messages import Origin, Trust
from carapax.redaction import Secret
from carapax.sessions.instructions import LeftOut
from carapax.sessions.sessions import Stopped
from carapax.store.audit import Recorded, Verdict
from carapax.store.grants import Granted
from carapax.store.halt import Stop
from carapax.store.owner import Passkey
from carapax.store.records import SessionInfo
from carapax.store.signins import SignIn
from carapax.store.spend import By
from carapax.store.tokens import Token

_PAGE = 1000


class _Sessions(Struct):
    sessions: list[SessionInfo]


class _Events(Struct):
    events: list[Envelope]
    seq: int


class _Created(Struct):
    token: Token
    secret: str


class _Tokens(Struct):
    tokens: list[Token]


class Asked:
    """The record as the running gateway tells it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._call = gateway.call

    def sessions(self, limit: int) -> list[SessionInfo]:
        return self._call("session.list", {"limit": limit}, _Sessions).sessions

    def events(self, session: str) -> Iterable[Envelope]:
        after = 0
        while page := self._call("session.events", {"session": session, "after": after, "limit": _PAGE}, _Events):
            yield from page.events
            if len(page.events) < _PAGE:
                return
            after = page.seq

    def fork(self, session: str, at: int | None) -> SessionInfo:
        params: dict[str, object] = {"session": session} if at is None else {"session": session, "at": at}
        return self._call("session.fork", params, SessionInfo)

    def export(self, session: str) -> bytes:
        return self._gateway.export(session)

    def import_(self, lines: bytes) -> SessionInfo:
        return self._gateway.import_(lines)

    def costs(self, by: By, days: int) -> Costs:
        return self._call("costs.get", {"by": by, "days": days}, Costs)

    def create_token(self, name: str, scopes: tuple[str, ...], trust: Trust) -> tuple[Token, str]:
        created = self._call("token.create", {"name": name, "scopes": scopes, "trust": trust}, _Created)
        return created.token, created.secret

    def tokens(self) -> list[Token]:
        return self._call("token.list", {}, _Tokens).tokens

    def revoke_token(self, token: str) -> None:
        self._call("token.revoke", {"token": token}, dict[str, str])

    def set_password(self, new: Secret) -> bool:
        return self._call("owner.password", {"new": new.reveal() or None}, Changed).free

    def passkeys(self) -> list[Passkey]:
        return self._call("owner.status", {}, Status).passkeys

    def remove_passkey(self, passkey: str) -> bool:
        return self._call("passkey.remove", {"passkey": passkey}, Changed).free

    def signins(self) -> list[SignIn]:
        return self._call("signin.list", {}, SignIns).signins

    def end_signins(self, signin: str | None) -> int:
        if signin is None:
            return self._call("signin.end_all", {}, Ended).ended
        return self._call("signin.end", {"signin": signin}, Ended).ended

    def audit_newest(self, kind: str, limit: int) -> list[Recorded]:
        return self._call("audit.list", {"kind": kind, "limit": limit}, Entries).entries

    def audit_after(self, number: int, limit: int) -> list[Recorded]:
        return self._call("audit.list", {"after": number, "limit": limit}, Entries).entries

    def verify_audit(self, head: str) -> Verdict:
        return self._call("audit.verify", {"head": head}, Verdict)

    def stop_agents(self, reason: str) -> Stopped:
        return self._call("agents.stop", {"reason": reason}, Stopped)

    def release_agents(self) -> Stop | None:
        return self._call("agents.release", {}, Released).was

    def grants(self) -> list[Granted]:
        return self._call("grant.list", {}, Given).grants

    def forget_grant(self, grant: str) -> None:
        self._call("grant.remove", {"grant": grant}, Granted)

    def left_out(self, agent: str) -> tuple[LeftOut, ...]:
        return self._call("workspace.stains", {"agent": agent}, Stained).left_out

    def vouch_files(self, agent: str, path: str, seen: Mapping[str, str]) -> list[str]:
        return self._call("workspace.vouch", {"agent": agent, "path": path, "seen": seen}, Stained).paths

    def finish_setup(self) -> None:
        self._call("setup.finish", {}, dict[str, object])

    def vouch(self, session: str) -> tuple[Origin, ...]:
        read = self._call("session.reading", {"session": session}, Read)
        self._call("session.vouch", {"session": session, "upto": read.seq}, Read)
        return read.origins
