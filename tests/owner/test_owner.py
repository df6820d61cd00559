from pathlib import Path

from carapax.owner.owner import Owner
from carapax.passphrase import Cost
from carapax.store.audit import LOCAL
from carapax.store.owner import Hashed
from carapax.store.tokens import Tokens
from carapax.testing import FakeClock
from tests.running import run
from tests.store.opened import opened_database


def test_this_machine_is_guarded_as_long_as_there_is_any_credential(tmp_path: Path) -> None:
    async def main() -> list[tuple[bool, bool]]:
        async with opened_database(tmp_path / "a.db") as database:
            owner, tokens = Owner(database, FakeClock()), Tokens(database, FakeClock())

            async def now() -> tuple[bool, bool]:
                return await owner.guarded(), await owner.record.is_known()

            found = [await now()]
            owner.code.make()
            token, _ = await tokens.create("phone", ("read",))
            found.append(await now())
            await owner.record.set_password(Hashed(Cost(), b"s", b"h"), LOCAL)
            await tokens.revoke(token.id)
            found.append(await now())
            await owner.record.set_password(None, LOCAL)
            return [*found, await now()]

    assert run(main()) == [(False, False), (True, False), (True, True), (False, False)]
