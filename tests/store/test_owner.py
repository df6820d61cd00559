from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapax.errors import Conflict, NotFound
from carapax.passphrase import Cost
from carapax.store.audit import LOCAL, Actor, newest
from carapax.store.database import Database
from carapax.store.owner import Hashed, LastCredential, OwnerRecord, Passkey, Verifier, guarded
from carapax.store.signins import SignIns
from carapax.store.tokens import Tokens
from carapax.testing import FakeClock
from carapax.testing.clock import START
from tests.running import run
from tests.store.opened import opened_database

OWNER = Actor("owner", address="192.0.2.7")
PHONE = Verifier(Passkey("cGhvbmU", "phone", "localhost", START), b"key", 3)
HASHED = Hashed(Cost(), b"salt", b"hash")


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[Database, OwnerRecord, SignIns, Tokens], None]:
    async with opened_database(folder / "a.db") as database:
        clock = FakeClock()
        yield database, OwnerRecord(database, clock), SignIns(database, clock), Tokens(database, clock)


def test_a_passkey_is_kept_named_used_and_forgotten(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with opened(tmp_path) as (database, record, _, _):
            await record.add(PHONE, OWNER)
            assert await record.verifier("cGhvbmU") == PHONE
            with pytest.raises(Conflict, match="known already"):
                await record.add(PHONE, OWNER)
            await record.rename("cGhvbmU", "old phone", OWNER)
            await record.use(PHONE, 4)
            with pytest.raises(Conflict, match="at the same time"):
                await record.use(PHONE, 4)
            assert await record.passkeys() == [Passkey("cGhvbmU", "old phone", "localhost", START, START)]
            await record.remove("cGhvbmU", OWNER, keep_one=False)
            assert (await record.passkeys(), await record.verifier("cGhvbmU")) == ([], None)
            for lost in (record.rename("cGhvbmU", "x", OWNER), record.remove("cGhvbmU", OWNER, keep_one=True)):
                with pytest.raises(NotFound, match="cGhvbmU"):
                    await lost
            return [one.entry.kind for one in await newest(database)]

    assert run(main()) == ["owner.passkey.removed", "owner.passkey.renamed", "owner.passkey.added"]


def test_the_owner_has_one_handle_for_ever(tmp_path: Path) -> None:
    async def main() -> set[bytes]:
        async with opened(tmp_path) as (_, record, _, _):
            first = await record.handle()
            await record.set_password(HASHED, LOCAL)
            return {first, await record.handle()}

    (handle,) = run(main())
    assert len(handle) == 32


def test_what_was_signed_in_with_a_credential_ends_with_it(tmp_path: Path) -> None:
    async def main() -> list[set[str]]:
        async with opened(tmp_path) as (_, record, signins, tokens):
            token, _ = await tokens.create("phone", ("read",))
            await record.add(PHONE, OWNER)
            await record.set_password(HASHED, LOCAL)
            by = {
                "token": await signins.create("token", OWNER, credential=token.id),
                "passkey": await signins.create("passkey", OWNER, credential="cGhvbmU"),
                "password": await signins.create("password", OWNER),
                "own": await signins.create("password", OWNER),
                "code": await signins.create("code", OWNER),
            }
            names = {made.id: name for name, (made, _) in by.items()}

            async def inside() -> set[str]:
                return {names[each.id] for each in await signins.list()}

            found = []
            await record.set_password(HASHED, LOCAL, keep=by["own"][0].id)
            found.append(await inside())
            await record.remove("cGhvbmU", OWNER, keep_one=False)
            found.append(await inside())
            await tokens.revoke(token.id)
            found.append(await inside())
            await record.set_password(None, LOCAL, keep=by["own"][0].id)
            return [*found, await inside()]

    assert run(main()) == [{"token", "passkey", "own", "code"}, {"token", "own", "code"}, {"own", "code"}, set()]


def test_the_last_credential_stays_where_others_could_come_in(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as (database, record, signins, tokens):
            token, _ = await tokens.create("phone", ("read",))
            await signins.create("code", OWNER)
            with pytest.raises(LastCredential, match="the last credential"):
                await tokens.revoke(token.id, keep_one=True)
            await record.set_password(HASHED, LOCAL)
            await tokens.revoke(token.id, keep_one=True)
            with pytest.raises(LastCredential):
                await record.set_password(None, LOCAL, keep_one=True)
            await record.add(PHONE, OWNER)
            await record.set_password(None, LOCAL, keep_one=True)
            with pytest.raises(LastCredential):
                await record.remove("cGhvbmU", OWNER, keep_one=True)
            assert await guarded(database)
            assert len(await signins.list()) == 1
            assert [one.entry.kind for one in await newest(database, kind="owner.password")] == [
                "owner.password.removed",
                "owner.password.set",
            ]
            await record.remove("cGhvbmU", OWNER, keep_one=False)
            assert not await guarded(database)
            assert await signins.list() == []

    run(main())
