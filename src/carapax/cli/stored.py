"""The record of a home as it lies on disk, while no gateway runs on it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from carapax.agent.context import fold
from carapax.agent.costs import Costs, add_up
from carapax.agent.ledger import Accounts, budgets
from carapax.cli.loop import awaited
from carapax.clock import SystemClock
from carapax.config import Home
from carapax.errors import NotFound, StoreError
from carapax.events import Envelope, Vouched
from carapax.messages import Origin, Trust
from carapax.owner.owner import Owner
from carapax.redaction import Secret
from carapax.sessions.instructions import Instructions, LeftOut
from carapax.sessions.sessions import Stopped
from carapax.store.audit import LOCAL, Audit, Recorded, Verdict, following, newest, verify
from carapax.store.database import Database
from carapax.store.days import open_days
from carapax.store.followed import Followed
from carapax.store.grants import Granted, forget, read_grants
from carapax.store.halt import Halt, Stop
from carapax.store.journal import Journal
from carapax.store.migrations import MIGRATIONS, migrate, schema_version
from carapax.store.owner import OwnerRecord, Passkey
from carapax.store.records import SessionInfo
from carapax.store.signins import SignIn, SignIns
from carapax.store.spend import By
from carapax.store.sqlite import open_database
from carapax.store.stains import Stains
from carapax.store.tokens import Token, Tokens

T = TypeVar("T")


class Stored:
    """Whatever changes something holds the home meanwhile, so that no gateway starts."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._clock = SystemClock()

    def sessions(self, limit: int) -> list[SessionInfo]:
        return self._read(lambda database: Journal(database, self._clock).sessions(limit=limit))

    def events(self, session: str) -> Iterable[Envelope]:
        async def read(database: Database) -> list[Envelope]:
            journal = Journal(database, self._clock)
            await journal.session(session)
            return await journal.read(session)

        return self._read(read)

    def export(self, session: str) -> bytes:
        async def export(database: Database) -> bytes:
            return b"".join([line async for line in Journal(database, self._clock).export(session)])

        return self._read(export)

    def tokens(self) -> list[Token]:
        return self._read(lambda database: Tokens(database, self._clock).list())

    def costs(self, by: By, days: int) -> Costs:
        from carapax.configfile import load

        config = load(self._home)

        async def read(database: Database) -> Costs:
            journal = Journal(database, self._clock)
            calendar = open_days(config.user.timezone, os.environ)
            limits = budgets(config.budget, config.agents)
            accounts = Accounts(database, journal, self._clock, calendar, limits, lambda name, work: work.close())
            await accounts.load(recover=False)
            return await add_up(accounts, self._clock.now(), by, days=days)

        return self._read(read)

    def fork(self, session: str, at: int | None) -> SessionInfo:
        async def fork(database: Database) -> SessionInfo:
            journal = Journal(database, self._clock)
            upto = (await journal.session(session)).seq if at is None else at
            new = self._clock.new_id()
            detail: dict[str, str | int] = {"new": new, "at": upto}
            also = Audit(database, self._clock).of("session.fork", LOCAL, session=session, detail=detail)
            return await journal.fork(session, upto, new, also)

        return self._write(fork)

    def import_(self, lines: bytes) -> SessionInfo:
        async def each() -> AsyncIterator[bytes]:
            for line in lines.splitlines(keepends=True):
                yield line

        async def import_(database: Database) -> SessionInfo:
            new = self._clock.new_id()
            also = Audit(database, self._clock).of("session.import", LOCAL, session=new)
            return await Journal(database, self._clock).import_(each(), new, also)

        return self._write(import_)

    def create_token(self, name: str, scopes: tuple[str, ...], trust: Trust) -> tuple[Token, str]:
        from carapax.api import OPERATIONS

        OPERATIONS["token.create"].bind({"name": name, "scopes": scopes, "trust": trust})

        async def create(database: Database) -> tuple[Token, str]:
            token, secret = await Tokens(database, self._clock).create(name, scopes, LOCAL, trust)
            return token, secret.reveal()

        return self._write(create)

    def revoke_token(self, token: str) -> None:
        self._write(lambda database: Tokens(database, self._clock).revoke(token))

    def set_password(self, new: Secret) -> bool:
        async def change(database: Database) -> bool:
            owner = Owner(database, self._clock)
            if new.reveal():
                await owner.password.set(new, LOCAL)
            else:
                await owner.record.set_password(None, LOCAL)
            return not await owner.guarded()

        return self._write(change)

    def passkeys(self) -> list[Passkey]:
        return self._read(lambda database: OwnerRecord(database, self._clock).passkeys())

    def remove_passkey(self, passkey: str) -> bool:
        async def remove(database: Database) -> bool:
            owner = Owner(database, self._clock)
            await owner.record.remove(passkey, LOCAL, keep_one=False)
            return not await owner.guarded()

        return self._write(remove)

    def signins(self) -> list[SignIn]:
        return self._read(lambda database: SignIns(database, self._clock).list())

    def end_signins(self, signin: str | None) -> int:
        async def end(database: Database) -> int:
            signins = SignIns(database, self._clock)
            if signin is None:
                return await signins.end_all(LOCAL)
            await signins.end(signin, LOCAL)
            return 1

        return self._write(end)

    def audit_newest(self, kind: str, limit: int) -> list[Recorded]:
        return self._read(lambda database: newest(database, kind=kind, limit=limit))

    def audit_after(self, number: int, limit: int) -> list[Recorded]:
        return self._read(lambda database: following(database, number, limit))

    def verify_audit(self, head: str) -> Verdict:
        return self._read(lambda database: verify(database, kept=head))

    def stop_agents(self, reason: str) -> Stopped:
        async def stop(database: Database) -> Stopped:
            halt = Halt(database, self._clock)
            stop = halt.pull("local", reason)
            await halt.keep(stop, Audit(database, self._clock).of("agents.stop", LOCAL, detail={"reason": reason}))
            return Stopped(stop, (), ())

        return self._write(stop)

    def release_agents(self) -> Stop | None:
        async def release(database: Database) -> Stop | None:
            halt = Halt(database, self._clock)
            await halt.load()
            return await halt.release(Audit(database, self._clock).of("agents.release", LOCAL))

        return self._write(release)

    def grants(self) -> list[Granted]:
        return self._read(read_grants)

    def forget_grant(self, grant: str) -> None:
        async def remove(database: Database) -> None:
            audit = Audit(database, self._clock)
            await forget(database, grant, audit.of("grant.removed", LOCAL, detail={"grant": grant}))

        self._write(remove)

    def left_out(self, agent: str) -> tuple[LeftOut, ...]:
        async def read(database: Database) -> tuple[LeftOut, ...]:
            return await (await self._instructions(database)).left_out(agent)

        return self._read(read)

    def vouch_files(self, agent: str, path: str, seen: Mapping[str, str]) -> list[str]:
        async def vouch(database: Database) -> list[str]:
            instructions = await self._instructions(database)
            return await instructions.vouch(agent, path, seen, LOCAL, Audit(database, self._clock))

        return self._write(vouch)

    async def _instructions(self, database: Database) -> Instructions:
        stains, followed = Stains(database), Followed(database)
        await stains.load()
        await followed.load()
        return Instructions(self._home.workspaces, stains, followed)

    def has_owner(self) -> bool:
        return self._read(lambda database: OwnerRecord(database, self._clock).is_known())

    def finish_setup(self) -> None:
        self._write(lambda database: Audit(database, self._clock).note("setup.finish", LOCAL))

    def vouch(self, session: str) -> tuple[Origin, ...]:
        async def vouch(database: Database) -> tuple[Origin, ...]:
            journal = Journal(database, self._clock)
            head = await journal.head(session)
            origins = fold(await journal.read(session)).reading.origins
            also = Audit(database, self._clock).of("session.vouched", LOCAL, session=session, detail={"upto": head})
            await journal.append(session, Vouched(head, LOCAL.id), also=also)
            return origins

        return self._write(vouch)

    def _read(self, use: Callable[[Database], Awaitable[T]]) -> T:
        if not self._home.database_file.exists():
            raise NotFound(f"{self._home.data_dir} holds nothing yet", "start the gateway with `carapax`")

        async def read(database: Database) -> T:
            if await schema_version(database) != len(MIGRATIONS):
                raise StoreError(f"{self._home.database_file} is of another release", "start the gateway once")
            return await use(database)

        return awaited(self._with(read, read_only=True))

    def _write(self, use: Callable[[Database], Awaitable[T]]) -> T:
        from carapax.configfile import first_start
        from carapax.homelock import lock_home

        async def write(database: Database) -> T:
            await migrate(database)
            return await use(database)

        first_start(self._home)
        with lock_home(self._home):
            return awaited(self._with(write, read_only=False))

    async def _with(self, use: Callable[[Database], Awaitable[T]], *, read_only: bool) -> T:
        database = await open_database(self._home.database_file, read_only=read_only)
        try:
            return await use(database)
        finally:
            await database.close()
