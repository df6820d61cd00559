"""Wrong secrets: counted by where they came from and whom they named, until both are banned for a while."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple, TypeVar

from carapax.config import is_loopback
from carapax.errors import RateLimited, Unauthorized
from carapax.store.audit import Actor, Audit
from carapax.throttle import GUESSES, PASSWORD, Bans, Rate
from carapax.uninterrupted import uninterrupted

T = TypeVar("T")
How = Literal["token", "sign-in", "setup code", "passkey", "password"]
NOTED_PER_MINUTE = 60
PROVEN = 10_000
WAITING = 8


class Guess(NamedTuple):
    """A try: from which address, and at whose account, where it names any. `shown` is the secret where showing it again
    is no other guess."""

    how: How
    address: str
    shown: str = ""
    account: str = ""


class Guesses:
    """Ten wrong secrets ban the address they came from, and the account they name, for a while. A ban refuses
    everything before any work but secrets that were right before from the same address: it locks out whoever guesses,
    and nobody who is in. A wrong token or sign-in that is shown again is a forgotten program, and no guess; of all else
    each try is one. What is banned from this machine is so for five minutes at most, and so is the owner's password, so
    that nobody can keep the owner out for long. `hashing` is held by who tries a password."""

    def __init__(self, bans: Bans, audit: Audit, hashing: asyncio.Lock) -> None:
        self._bans = bans
        self._audit = audit
        self._trying = asyncio.Lock()
        self._hashing = hashing
        self._waiting = 0
        self._proven: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._noted = Rate(NOTED_PER_MINUTE)

    def wait(self, address: str, now: float) -> float:
        """Seconds until the ban of an address ends; 0 for none."""
        return self._bans.wait(address, now)

    def is_proven(self, address: str, shown: str) -> bool:
        """Whether this secret was right before from this address."""
        return (address, _digest(shown)) in self._proven

    def prove(self, address: str, shown: str) -> None:
        """Remember that it is."""
        proof = (address, _digest(shown))
        self._proven[proof] = None
        self._proven.move_to_end(proof)
        if len(self._proven) > PROVEN:
            self._proven.popitem(last=False)

    async def attempt(self, guess: Guess, check: Callable[[], Awaitable[T]]) -> T:
        """What `check` finds. Its Unauthorized is counted; RateLimited is raised without asking it during a ban. One
        after the other, so that those who guess at the same time are counted as those who do not; and to its end, so
        that those who leave meanwhile are too."""
        async with self._turn(guess.how):
            self._refuse(guess)
            return await uninterrupted(self._look(guess, check))

    async def _look(self, guess: Guess, check: Callable[[], Awaitable[T]]) -> T:
        try:
            return await check()
        except Unauthorized:
            await self._wrong(guess)
            raise

    @asynccontextmanager
    async def _turn(self, how: How) -> AsyncGenerator[None, None]:
        """Passwords take long: they wait for each other only, and no more than a few of them."""
        if how != "password":
            async with self._trying:
                yield
            return
        if self._waiting >= WAITING:
            raise RateLimited("too many passwords are tried at the same time", 1.0)
        self._waiting += 1
        try:
            async with self._hashing:
                yield
        finally:
            self._waiting -= 1

    def _refuse(self, guess: Guess) -> None:
        now = asyncio.get_running_loop().time()
        for key, what in ((guess.address, "from this address"), (guess.account, "of this name")):
            if wait := self._bans.wait(key, now):
                raise RateLimited(f"too many wrong {guess.how}s {what}", wait)

    async def _wrong(self, guess: Guess) -> None:
        """Count it, and record it, but no more than so many a minute from all addresses together."""
        now = asyncio.get_running_loop().time()
        peer, named = guess.address, guess.account
        digest = _digest(guess.shown) if guess.shown else None
        repeated = self._bans.is_repeat(peer, digest, now)
        banned = {peer: self._bans.fail(peer, digest, now, grows=not is_loopback(peer))}
        if named:
            banned[named] = self._bans.fail(named, digest, now, grows=named != PASSWORD)
        if repeated:
            return
        try:
            self._noted.take("", now, "refusals to record")
        except RateLimited:
            return
        whose = {"token": named} if named and guess.how == "token" else {}
        await self._audit.note("auth.refused", Actor("", address=peer), detail={"how": guess.how, **whose})
        for key, seconds in banned.items():
            if seconds:
                detail: dict[str, str | int] = {"banned": key, "seconds": int(seconds), "wrong": GUESSES}
                await self._audit.note("auth.banned", Actor("", address=peer), detail=detail)


def _digest(shown: str) -> bytes:
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).digest()
