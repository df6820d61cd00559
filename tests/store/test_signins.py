import hashlib
from pathlib import Path

import apsw
import pytest

from carapax.errors import NotFound
from carapax.store.audit import Actor, newest
from carapax.store.signins import Holder, SignIn, SignIns, signin_of
from carapax.store.tokens import Tokens
from carapax.testing import FakeClock
from carapax.testing.clock import START
from tests.running import run
from tests.store.faulty_disk import faulty_disk
from tests.store.opened import opened_database

OWNER = Actor("owner", address="192.0.2.7")
MONTH_S = 30 * 86_400.0


def test_a_sign_in_is_known_by_its_secret_alone(tmp_path: Path) -> None:
    async def main() -> str:
        async with opened_database(tmp_path / "a.db") as database:
            signins = SignIns(database, FakeClock())
            made, secret = await signins.create("passkey", OWNER, credential="p", browser="Firefox, Linux")
            other, _ = await signins.create("password", OWNER)
            whole = SignIn(made.id, "passkey", "p", "192.0.2.7", "Firefox, Linux", START, START, START + MONTH_S)
            assert made == whole
            assert await signins.check(secret.reveal()) == Holder(whole)
            shown = secret.reveal()
            wrong = [f"cps_{other.id}_{shown.split('_', 2)[2]}", f"cps_{made.id}_", f"cps_{made.id}", shown[4:]]
            for attempt in [*wrong, "", "cps_", shown + "x", "cps_\ud800", "é\x00", shown.replace("cps_", "cpx_")]:
                assert await signins.check(attempt) is None
            assert [one.entry.kind for one in await newest(database)] == ["auth.login"] * 2
            return shown

    secret = run(main())
    data = (tmp_path / "a.db").read_bytes()
    assert secret.split("_", 2)[2].encode() not in data
    assert hashlib.sha256(secret.encode()).digest() in data


def test_it_ends_after_thirty_days_however_much_it_is_used_and_by_a_code_after_an_hour(tmp_path: Path) -> None:
    async def main() -> list[list[str]]:
        clock = FakeClock()
        async with opened_database(tmp_path / "a.db") as database:
            signins = SignIns(database, clock)
            _, month = await signins.create("password", OWNER)
            _, hour = await signins.create("code", OWNER)
            settled, _ = await signins.create("code", OWNER)
            await signins.settle(settled, "passkey", "p")
            found = []
            for wait_s in (0, 3_599, 1, MONTH_S - 3_601, 1):
                clock.advance(wait_s)
                found.append([each.how for each in await signins.list()])
                assert (await signins.check(month.reveal()) is not None) == ("password" in found[-1])
                assert (await signins.check(hour.reveal()) is not None) == ("code" in found[-1])
            return [sorted(each) for each in found]

    assert run(main()) == [["code", "passkey", "password"]] * 2 + [["passkey", "password"]] * 2 + [[]]


def test_it_says_when_it_was_seen_last_to_the_minute(tmp_path: Path) -> None:
    async def main() -> list[float]:
        clock = FakeClock()
        async with opened_database(tmp_path / "a.db") as database:
            signins = SignIns(database, clock)
            _, secret = await signins.create("password", OWNER)
            found = []
            for wait_s in (0, 59, 1, 30):
                clock.advance(wait_s)
                await signins.check(secret.reveal())
                found.append((await signins.list())[0].last_seen_at - START)
            return found

    assert run(main()) == [0, 0, 60, 60]


def test_one_that_came_of_a_token_is_that_token(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with opened_database(tmp_path / "a.db") as database:
            signins, tokens = SignIns(database, clock), Tokens(database, clock)
            token, _ = await tokens.create("reader", ("read",), trust="known")
            made, secret = await signins.create("token", OWNER, credential=token.id)
            assert await signins.check(secret.reveal()) == Holder(made, token.id, "reader", ("read",), "known")
            await tokens.revoke(token.id)
            assert await signins.check(secret.reveal()) is None

    run(main())


def test_one_is_ended_or_all_of_them_or_all_others(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with opened_database(tmp_path / "a.db") as database:
            signins = SignIns(database, FakeClock())
            made = [(await signins.create("password", OWNER))[0] for _ in range(4)]
            await signins.end(made[0].id, OWNER)
            with pytest.raises(NotFound, match=made[0].id):
                await signins.end(made[0].id, OWNER)
            ended = [await signins.end_all(OWNER, keep=made[1].id)]
            assert [each.id for each in await signins.list()] == [made[1].id]
            return [*ended, await signins.end_all(OWNER), await signins.end_all(OWNER)]

    assert run(main()) == [2, 1, 0]


def test_a_full_disk_locks_nobody_out(tmp_path: Path) -> None:
    async def main(vfs: str) -> None:
        clock = FakeClock()
        async with opened_database(tmp_path / "a.db", vfs) as database:
            signins = SignIns(database, clock)
            _, secret = await signins.create("password", OWNER)
            clock.advance(3_600)
            disk.fails = lambda number, operation: apsw.FullError
            assert await signins.check(secret.reveal()) is not None
            disk.fails = lambda number, operation: None

    with faulty_disk() as disk:
        run(main(disk.name))


def test_a_secret_names_its_sign_in() -> None:
    name = FakeClock().new_id()
    assert [signin_of(each) for each in (f"cps_{name}_secret", "cps_", f"cpx_{name}_secret", "")] == [name, "", "", ""]
    claims = ("password", "192.0.2.7", "a" * 1000, name.upper(), name + "\n")
    assert {signin_of(f"cps_{claimed}_secret") for claimed in claims} == {""}
