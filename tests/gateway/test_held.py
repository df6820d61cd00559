import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from carapax.api import Caller
from carapax.gateway.auth import FREE, LOCAL, Credential
from carapax.gateway.held import ENDED, STOPPING, Held
from carapax.owner.owner import Owner
from carapax.store.audit import Actor
from carapax.store.migrations import migrate
from carapax.store.signins import SignIns
from carapax.store.sqlite import open_database
from carapax.store.tokens import Tokens
from carapax.testing import FakeClock
from tests.gateway.raw import eventually
from tests.running import run


def test_what_came_with_an_ended_credential_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> list[tuple[str, str]]:
        database = await open_database(tmp_path / "carapax.db")
        await migrate(database)
        clock = FakeClock()
        tokens, signins = Tokens(database, clock), SignIns(database, clock)
        dropped: list[tuple[str, str]] = []
        held = Held(tokens, signins, Owner(database, clock))
        kept, _ = await tokens.create("kept", ("read",))
        gone, _ = await tokens.create("gone", ("read",))
        inside, _ = await signins.create("password", Actor("owner"))
        out, _ = await signins.create("password", Actor("owner"))
        by_kept, _ = await signins.create("token", Actor(kept.id), credential=kept.id)
        by_gone, _ = await signins.create("token", Actor(gone.id), credential=gone.id)
        credentials = {
            "free": FREE,
            "local": LOCAL,
            "kept": of(kept.id),
            "gone": of(gone.id),
            "inside": of("", inside.id),
            "out": of("", out.id),
            "by kept": of(kept.id, by_kept.id),
            "by gone": of(gone.id, by_gone.id),
        }
        watching = asyncio.get_running_loop().create_task(held.watch())
        with all_held(held, credentials, dropped):
            assert len(held) == len(credentials)
            await tokens.revoke(gone.id)
            await signins.end(out.id, Actor("owner"))
            await eventually(lambda: len(dropped) == 4)
            watching.cancel()
            held.drop_all()
        assert len(held) == 0
        await asyncio.wait([watching])
        await database.close()
        return dropped

    dropped = run(main())
    assert sorted(dropped[:4]) == [("by gone", ENDED), ("free", ENDED), ("gone", ENDED), ("out", ENDED)]
    assert {why for _, why in dropped[4:]} == {STOPPING}


def all_held(held: Held, credentials: dict[str, Credential], dropped: list[tuple[str, str]]) -> ExitStack:
    stack = ExitStack()
    for name, credential in credentials.items():
        stack.enter_context(held.hold(credential, partial(note, dropped, name)))
    return stack


def note(dropped: list[tuple[str, str]], name: str, why: str) -> None:
    dropped.append((name, why))


def of(token: str, signin: str = "") -> Credential:
    return Credential(Caller(token, "", ("read",)), token, signin=signin)
