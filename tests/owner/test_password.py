import asyncio
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from carapax.errors import InvalidRequest
from carapax.owner.password import Password, check_length
from carapax.passphrase import Cost
from carapax.redaction import Secret
from carapax.store.audit import LOCAL
from carapax.store.owner import OwnerRecord
from carapax.testing import FakeClock
from tests.running import run
from tests.store.opened import opened_database

CHEAP = Cost(memory_kib=32, passes=1, lanes=1)
WORDS = Secret("correct horse battery")


def test_the_password_is_known_by_what_argon2_makes_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened_database(tmp_path / "a.db") as database:
            record = OwnerRecord(database, FakeClock())
            password = Password(record, CHEAP)
            assert not await password.is_right(Secret(""))
            await password.set(WORDS, LOCAL)
            assert await password.is_right(WORDS)
            first = await record.password()
            for wrong in ("", "correct horse batter", "correct horse battery ", "x" * 100_000, "\ud800" * 12):
                assert not await password.is_right(Secret(wrong))
            await password.set(WORDS, LOCAL)
            second = await record.password()
            assert first and second and first.salt != second.salt
            for kept in (first, second):
                argon2 = Argon2id(salt=kept.salt, length=32, iterations=1, lanes=1, memory_cost=32)
                assert kept.hash == argon2.derive(WORDS.reveal().encode())
            await record.set_password(None, LOCAL)
            assert not await password.is_right(WORDS)

    run(main())


def test_a_password_is_the_same_however_the_keyboard_spells_it(tmp_path: Path) -> None:
    async def main() -> bool:
        async with opened_database(tmp_path / "a.db") as database:
            password = Password(OwnerRecord(database, FakeClock()), CHEAP)
            await password.set(Secret("caf\u00e9 caf\u00e9 caf\u00e9"), LOCAL)
            return await password.is_right(Secret("cafe\u0301 cafe\u0301 cafe\u0301"))

    assert run(main())


def test_it_costs_what_is_recommended_and_the_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    async def main() -> int:
        async with opened_database(tmp_path / "a.db") as database:
            record = OwnerRecord(database, FakeClock())
            password = Password(record)
            await password.set(WORDS, LOCAL)
            kept = await record.password()
            assert kept is not None and kept.cost == Cost(65_536, 3, 4)
            tries, turns, most = asyncio.gather(*(password.is_right(WORDS) for _ in range(4))), 0, 0
            before = threading.active_count()
            while not tries.done():
                await asyncio.sleep(0)
                turns, most = turns + 1, max(most, threading.active_count() - before)
            assert await tries == [True] * 4
            return turns

    assert run(main()) > 100


@pytest.mark.parametrize("short", ["", "eleven char", "\u00e9" * 11])
def test_a_short_password_is_refused(short: str) -> None:
    with pytest.raises(InvalidRequest, match="12 characters or more"):
        check_length(Secret(short))
    check_length(Secret("twelve chars"))
