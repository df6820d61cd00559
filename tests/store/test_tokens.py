import hashlib
from pathlib import Path

import apsw
import pytest

from carapax.errors import NotFound
from carapax.store.owner import guarded
from carapax.store.tokens import Token, Tokens
from carapax.testing.clock import START, FakeClock
from tests.running import run
from tests.store.faulty_disk import faulty_disk
from tests.store.opened import opened_database


def test_a_token_is_known_by_its_secret_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        async with opened_database(tmp_path / "a.db") as database:
            tokens = Tokens(database, clock)
            assert not await guarded(database)
            token, secret = await tokens.create("phone", ["read", "write"])
            other, _ = await tokens.create("laptop", ["read"])
            assert await guarded(database)
            assert token == Token(token.id, "phone", ("read", "write"), START)
            assert secret.reveal().startswith("cpx_") and len(secret.reveal()) > 60
            assert await tokens.check(secret.reveal()) == token
            assert await Tokens(database, clock).list() == [
                Token(token.id, "phone", ("read", "write"), START, START),
                other,
            ]
            wrong = [f"cpx_{other.id}_{secret.reveal().split('_', 2)[2]}", f"cpx_{token.id}_", f"cpx_{token.id}"]
            for attempt in [*wrong, "", "cpx_", secret.reveal()[4:], secret.reveal() + "x", "cpx_\ud800", "é\x00"]:
                assert await tokens.check(attempt) is None

    run(scenario())


def test_the_file_does_not_hold_the_secret(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with opened_database(tmp_path / "a.db") as database:
            return (await Tokens(database, FakeClock()).create("phone", []))[1].reveal()

    secret = run(scenario())
    data = (tmp_path / "a.db").read_bytes()
    assert secret.split("_", 2)[2].encode() not in data
    assert hashlib.sha256(secret.encode()).digest() in data


def test_a_revoked_token_is_refused_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            tokens, elsewhere = Tokens(database, FakeClock()), Tokens(database, FakeClock())
            token, secret = await tokens.create("phone", [])
            assert await tokens.check(secret.reveal()) is not None
            await elsewhere.revoke(token.id)
            assert await tokens.check(secret.reveal()) is None
            assert not await guarded(database)
            with pytest.raises(NotFound, match=token.id):
                await tokens.revoke(token.id)

    run(scenario())


def test_use_is_noted_once_a_minute(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        async with opened_database(tmp_path / "a.db") as database:
            tokens = Tokens(database, clock)
            _, secret = await tokens.create("phone", [])
            for advance, noted in [(10, 10), (59, 10), (1, 70)]:
                clock.advance(advance)
                await tokens.check(secret.reveal())
                assert [token.last_used_at for token in await tokens.list()] == [START + noted]

    run(scenario())


def test_a_full_disk_does_not_lock_anybody_out(tmp_path: Path) -> None:
    async def scenario(vfs: str) -> None:
        async with opened_database(tmp_path / "a.db", vfs) as database:
            tokens = Tokens(database, FakeClock())
            _, secret = await tokens.create("phone", [])
            disk.fails = lambda number, operation: apsw.FullError
            assert await tokens.check(secret.reveal()) is not None
            disk.fails = lambda number, operation: None

    with faulty_disk() as disk:
        run(scenario(disk.name))
