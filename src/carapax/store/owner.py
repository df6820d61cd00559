"""What is kept of the owner's own credentials: passkeys, and the hash of a password.

Here also is asked whether there is any credential at all, a token included: while there is none, this machine is free.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from carapax.clock import Clock
from carapax.errors import Conflict, NotFound
from carapax.passphrase import Cost
from carapax.store.audit import Actor, Audit
from carapax.store.database import Database, Row, Statement, Unexpected

_COLUMNS = "id, name, host, created_at, last_used_at"
_CREDENTIALS = """(SELECT id FROM tokens UNION ALL SELECT id FROM passkeys
    UNION ALL SELECT 'password' FROM owner WHERE password <> '')"""
_HANDLE_BYTES = 32


class Hashed(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a password: what Argon2id makes of it, and with which cost and salt."""

    cost: Cost
    salt: bytes
    hash: bytes


class Passkey(Struct, frozen=True):
    """What is known of a passkey.

    id: what its authenticator calls it, in base64url
    name: what the owner calls it
    host: the name of the gateway that it can be used under
    created_at: in seconds since 1970
    last_used_at: in seconds since 1970; null for one that was never used
    """

    id: str
    name: str
    host: str
    created_at: float
    last_used_at: float | None = None


class Verifier(NamedTuple):
    """What tells whether somebody has a passkey: its public key (COSE), and how often it says it was used."""

    passkey: Passkey
    public_key: bytes
    counter: int


class LastCredential(Conflict):
    """Without it everybody who reaches the gateway could use it."""


class OwnerRecord:
    """The tables of passkeys and password. Nothing is cached."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._audit = Audit(database, clock)

    async def handle(self) -> bytes:
        """What authenticators know the owner by: random, and the same as long as the home lasts."""
        sql = "INSERT INTO owner (id, handle, password) VALUES (1, $1, '') ON CONFLICT (id) DO NOTHING"
        await self._database.transact([Statement(sql, (os.urandom(_HANDLE_BYTES),))])
        rows = await self._database.fetch("SELECT handle FROM owner WHERE id = 1")
        handle = rows[0][0]
        assert isinstance(handle, bytes)
        return handle

    async def passkeys(self) -> list[Passkey]:
        """Oldest first."""
        rows = await self._database.fetch(f"SELECT {_COLUMNS} FROM passkeys ORDER BY created_at, id")
        return [_passkey(row) for row in rows]

    async def verifier(self, passkey: str) -> Verifier | None:
        """What the passkey of this id is checked with, or None."""
        sql = f"SELECT {_COLUMNS}, public_key, counter FROM passkeys WHERE id = $1"
        rows = await self._database.fetch(sql, passkey)
        if not rows or not isinstance(key := rows[0][-2], bytes) or not isinstance(counter := rows[0][-1], int):
            return None
        return Verifier(_passkey(rows[0][:-2]), key, counter)

    async def add(self, new: Verifier, who: Actor) -> None:
        """Keep a passkey. Raises Conflict for one that is known."""
        passkey = new.passkey
        sql = "INSERT INTO passkeys (id, name, host, public_key, counter, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
        values = (passkey.id, passkey.name, passkey.host, new.public_key, new.counter, passkey.created_at)
        detail = {"passkey": passkey.id, "name": passkey.name, "host": passkey.host}
        noted = self._audit.of("owner.passkey.added", who, detail=detail)
        try:
            await self._database.transact([Statement(sql, values, expect=1), *noted])
        except Unexpected as error:
            raise Conflict("this passkey is known already", "sign in with it") from error

    async def rename(self, passkey: str, name: str, who: Actor) -> None:
        """Raises NotFound."""
        noted = self._audit.of("owner.passkey.renamed", who, detail={"passkey": passkey, "name": name})
        sql = "UPDATE passkeys SET name = $2 WHERE id = $1"
        try:
            await self._database.transact([Statement(sql, (passkey, name), expect=1), *noted])
        except Unexpected as error:
            raise _unknown(passkey) from error

    async def remove(self, passkey: str, who: Actor, *, keep_one: bool) -> None:
        """Forget a passkey, and end what was signed in with it. Raises NotFound; Conflict where it is the last
        credential of all and `keep_one`."""
        noted = self._audit.of("owner.passkey.removed", who, detail={"passkey": passkey})
        gone = Statement("DELETE FROM passkeys WHERE id = $1", (passkey,), expect=1)
        try:
            await without(self._database, [gone, end_signins_of(passkey), *noted], keep_one=keep_one)
        except LastCredential:
            raise
        except Unexpected as error:
            raise _unknown(passkey) from error

    async def use(self, used: Verifier, counter: int) -> None:
        """Note a use. Raises Conflict when the passkey was used elsewhere meanwhile, or is gone."""
        sql = "UPDATE passkeys SET counter = $3, last_used_at = $4 WHERE id = $1 AND counter = $2"
        values = (used.passkey.id, used.counter, counter, self._clock.now())
        try:
            await self._database.transact([Statement(sql, values, expect=1)])
        except Unexpected as error:
            raise Conflict("the passkey was used elsewhere at the same time", "try again") from error

    async def password(self) -> Hashed | None:
        rows = await self._database.fetch("SELECT password FROM owner WHERE id = 1 AND password <> ''")
        return msgspec.json.decode(str(rows[0][0]), type=Hashed) if rows else None

    async def set_password(self, new: Hashed | None, who: Actor, *, keep: str = "", keep_one: bool = False) -> None:
        """Replace or, with None, remove the password, and end whatever was signed in with the one before, but `keep`.
        Raises Conflict where it is the last credential of all and `keep_one`."""
        await self.handle()
        written = "" if new is None else msgspec.json.encode(new).decode()
        changed = [
            Statement("UPDATE owner SET password = $1 WHERE id = 1", (written,), expect=1),
            Statement("DELETE FROM signins WHERE how = 'password' AND id <> $1", (keep,)),
            *self._audit.of("owner.password.removed" if new is None else "owner.password.set", who),
        ]
        await without(self._database, changed, keep_one=keep_one)

    async def is_known(self) -> bool:
        """Whether there is a passkey or a password."""
        sql = "SELECT 1 FROM passkeys UNION ALL SELECT 1 FROM owner WHERE password <> '' LIMIT 1"
        return bool(await self._database.fetch(sql))


async def guarded(database: Database) -> bool:
    """Whether there is any credential: a token, a passkey or a password. Callers must show one then."""
    return bool(await database.fetch(f"SELECT 1 FROM {_CREDENTIALS} AS every LIMIT 1"))


async def without(database: Database, changes: Sequence[Statement], *, keep_one: bool) -> None:
    """Carry out changes that take a credential away. When it was the last, all sign-ins end with it, for this machine
    is free again; or, with `keep_one`, nothing is done. Raises LastCredential then, Unexpected as the changes do."""
    last = Statement(f"DELETE FROM signins WHERE NOT EXISTS {_CREDENTIALS}")
    kept = [Statement(f"SELECT 1 WHERE EXISTS {_CREDENTIALS}", expect=1)] if keep_one else []
    try:
        await database.transact([*changes, last, *kept])
    except Unexpected as error:
        if error.index <= len(changes):
            raise
        raise LastCredential(
            "this is the last credential, and others can reach the gateway",
            "make another one first, or listen on 127.0.0.1",
        ) from error


def end_signins_of(credential: str) -> Statement:
    """Ends what was signed in with this token or passkey."""
    return Statement("DELETE FROM signins WHERE credential = $1", (credential,))


def _unknown(passkey: str) -> NotFound:
    return NotFound(f"no passkey has the id {passkey!r}", "`carapax owner passkeys` shows those there are")


def _passkey(row: Row) -> Passkey:
    return msgspec.convert(dict(zip(Passkey.__struct_fields__, row, strict=True)), Passkey)
