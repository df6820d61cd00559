import asyncio
from pathlib import Path

from carapax.api import Caller
from carapax.gateway.auth import FREE, LOCAL, Credential
from carapax.gateway.held import REVOKED, STOPPING, Held
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.store.tokens import Tokens
from carapax.testing import FakeClock
from tests.gateway.raw import eventually
from tests.running import run


def test_what_came_with_an_ended_credential_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> list[tuple[str, str]]:
        database = await open_database(tmp_path / "carapax.db")
        await migrate(database)
        tokens = Tokens(database, FakeClock())
        dropped: list[tuple[str, str]] = []
        held = Held(tokens)
        kept, _ = await tokens.create("kept", ("read",))
        gone, _ = await tokens.create("gone", ("read",))
        credentials = {"free": FREE, "local": LOCAL, "kept": of(kept.id), "gone": of(gone.id)}
        await tokens.revoke(gone.id)
        watching = asyncio.get_running_loop().create_task(held.watch())
        with (
            held.hold(credentials["free"], lambda why: dropped.append(("free", why))),
            held.hold(credentials["local"], lambda why: dropped.append(("local", why))),
            held.hold(credentials["kept"], lambda why: dropped.append(("kept", why))),
            held.hold(credentials["gone"], lambda why: dropped.append(("gone", why))),
        ):
            assert len(held) == 4
            await eventually(lambda: len(dropped) == 2)
            watching.cancel()
            held.drop_all()
        assert len(held) == 0
        await asyncio.wait([watching])
        await database.close()
        return dropped

    dropped = run(main())
    assert dropped[:2] == [("free", REVOKED), ("gone", REVOKED)]
    assert dropped[2:] == [(name, STOPPING) for name in ("free", "local", "kept", "gone")]


def of(token: str) -> Credential:
    return Credential(Caller(token, "", ("read",)), token)
