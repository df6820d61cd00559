import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapax.errors import RateLimited, Unauthorized
from carapax.gateway.guesses import WAITING, Guess, Guesses, How
from carapax.store.audit import Audit, newest
from carapax.testing import FakeClock
from carapax.throttle import PASSWORD, Bans
from tests.running import run
from tests.store.opened import opened_database


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[Guesses, Audit], None]:
    async with opened_database(folder / "a.db") as database:
        audit = Audit(database, FakeClock())
        yield Guesses(Bans(), audit, asyncio.Lock()), audit


async def wrong() -> None:
    raise Unauthorized("wrong")


async def right() -> str:
    return "in"


async def outcome(work: Awaitable[object]) -> str:
    try:
        return str(await work)
    except Unauthorized:
        return "looked at"
    except RateLimited as refused:
        return refused.message


@pytest.mark.parametrize("how", ["token", "sign-in", "setup code", "passkey", "password"])
def test_ten_wrong_secrets_are_looked_at_whatever_they_are(tmp_path: Path, how: How) -> None:
    async def main() -> list[str]:
        async with opened(tmp_path) as (guesses, _):
            found = [
                await outcome(guesses.attempt(Guess(how, "192.0.2.7", str(number)), wrong)) for number in range(12)
            ]
            found.append(await outcome(guesses.attempt(Guess(how, "192.0.2.7", "right"), right)))
            return [*found, await outcome(guesses.attempt(Guess(how, "192.0.2.8", "right"), right))]

    banned = f"too many wrong {how}s from this address"
    assert run(main()) == ["looked at"] * 10 + [banned] * 3 + ["in"]


@pytest.mark.parametrize(
    ("how", "shown", "repeats"), [("token", "old", 30), ("sign-in", "old", 30), ("password", "", 10)]
)
def test_a_program_that_shows_one_wrong_token_again_and_again_bans_nobody(
    tmp_path: Path, how: How, shown: str, repeats: int
) -> None:
    async def main() -> tuple[list[str], int]:
        async with opened(tmp_path) as (guesses, audit):
            forgotten = Guess(how, "192.0.2.7", shown, "abc")
            found = [await outcome(guesses.attempt(forgotten, wrong)) for _ in range(30)]
            return found, len(await newest(audit.database, kind="auth.refused"))

    looked_at, refused = ["looked at"] * repeats, [f"too many wrong {how}s from this address"] * (30 - repeats)
    assert run(main()) == (looked_at + refused, 1 if not refused else 10)


def test_ten_wrong_passwords_from_everywhere_together_are_looked_at(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with opened(tmp_path) as (guesses, _):
            return [
                await outcome(guesses.attempt(Guess("password", f"192.0.2.{number}", str(number), PASSWORD), wrong))
                for number in range(12)
            ]

    assert run(main()) == ["looked at"] * 10 + ["too many wrong passwords of this name"] * 2


class _Ahead(asyncio.SelectorEventLoop):
    """A loop whose time can be put forward."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


@pytest.mark.parametrize(
    ("how", "address", "account", "bans_s"),
    [
        ("password", "192.0.2.{}", PASSWORD, [300, 300, 300]),
        ("password", "127.0.0.1", "", [300, 300, 300]),
        ("setup code", "127.0.0.1", "", [300, 300, 300]),
        ("token", "::1", "", [300, 300, 300]),
        ("token", "192.0.2.7", "", [300, 600, 1200]),
        ("token", "192.0.2.{}", "abc", [300, 600, 1200]),
    ],
)
def test_bans_grow_but_for_this_machine_and_the_password(
    tmp_path: Path, how: How, address: str, account: str, bans_s: list[int]
) -> None:
    loop = _Ahead()

    async def main() -> list[int]:
        found = []
        async with opened(tmp_path) as (guesses, audit):
            for _ in bans_s:
                for number in range(10):
                    guess = Guess(how, address.format(number), f"{loop.ahead_s} {number}", account)
                    assert await outcome(guesses.attempt(guess, wrong)) == "looked at"
                [banned] = await newest(audit.database, kind="auth.banned", limit=1)
                found.append(int(banned.entry.detail["seconds"]))
                loop.ahead_s += found[-1] + 1
        return found

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(main()) == bans_s


def test_few_passwords_wait_to_be_tried_and_nothing_else_waits_for_them(tmp_path: Path) -> None:
    async def main() -> tuple[list[str], str]:
        async with opened(tmp_path) as (guesses, _):
            going_on = asyncio.Event()

            async def slow() -> str:
                await going_on.wait()
                return "in"

            async with asyncio.TaskGroup() as group:
                tried = [
                    group.create_task(outcome(guesses.attempt(Guess("password", f"192.0.2.{n}", "x"), slow)))
                    for n in range(WAITING + 2)
                ]
                await asyncio.sleep(0)
                meanwhile = await outcome(guesses.attempt(Guess("token", "192.0.2.99", "x"), right))
                going_on.set()
            return [task.result() for task in tried], meanwhile

    refused = "too many passwords are tried at the same time"
    assert run(main()) == (["in"] * WAITING + [refused] * 2, "in")


def test_what_was_right_before_is_known_by_address_and_secret(tmp_path: Path) -> None:
    async def main() -> list[bool]:
        async with opened(tmp_path) as (guesses, _):
            guesses.prove("192.0.2.7", "secret")
            return [
                guesses.is_proven(*each) for each in (("192.0.2.7", "secret"), ("192.0.2.7", "s"), ("::1", "secret"))
            ]

    assert run(main()) == [True, False, False]


def test_refusals_are_recorded_without_what_was_shown(tmp_path: Path) -> None:
    async def main() -> list[dict[str, str | int]]:
        async with opened(tmp_path) as (guesses, audit):
            for guess in (
                Guess("token", "192.0.2.7", "secret", "abc"),
                Guess("password", "192.0.2.7", "word", PASSWORD),
                Guess("setup code", "192.0.2.7", "code"),
            ):
                await outcome(guesses.attempt(guess, wrong))
            return [one.entry.detail for one in reversed(await newest(audit.database))]

    assert run(main()) == [{"how": "token", "token": "abc"}, {"how": "password"}, {"how": "setup code"}]


def test_who_leaves_before_the_answer_has_guessed_all_the_same(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with opened(tmp_path) as (guesses, _):
            begun = asyncio.Event()

            async def slow() -> None:
                begun.set()
                await asyncio.sleep(0)
                raise Unauthorized("wrong")

            for number in range(10):
                begun.clear()
                guess = guesses.attempt(Guess("password", "192.0.2.7", str(number)), slow)
                leaving = asyncio.get_running_loop().create_task(guess)
                await begun.wait()
                leaving.cancel()
                await asyncio.wait([leaving])
            return [await outcome(guesses.attempt(Guess("password", "192.0.2.7", "right"), right))]

    assert run(main()) == ["too many wrong passwords from this address"]
