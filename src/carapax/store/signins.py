"""Sign-ins: browsers that have shown a credential and hold a cookie instead, kept only as its hash."""

import hashlib
import hmac
import secrets
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct

from carapax.clock import Clock, is_id
from carapax.errors import NotFound, StoreError
from carapax.messages import Trust
from carapax.redaction import Secret
from carapax.store.audit import Actor, Audit
from carapax.store.database import Database, Row, Statement, Unexpected

How = Literal["passkey", "password", "token", "code"]
LASTS_S = 30 * 86_400.0
CODE_LASTS_S = 3_600.0
_PREFIX = "cps_"
_SEEN_EVERY_S = 60
_COLUMNS = "id, how, credential, address, browser, created_at, last_seen_at, expires_at"


class SignIn(Struct, frozen=True):
    """A browser that is in.

    id: its name here
    how: with a "passkey", the "password", a "token", or a setup "code"
    credential: the id of the passkey or token; empty for the others
    address: where it signed in from
    browser: which it says it is
    created_at: since when, in seconds since 1970
    last_seen_at: when it called last, to the minute, in seconds since 1970
    expires_at: when it ends by itself, in seconds since 1970
    """

    id: str
    how: How
    credential: str
    address: str
    browser: str
    created_at: float
    last_seen_at: float
    expires_at: float


class Holder(Struct, frozen=True):
    """Who holds a sign-in: the owner, or, where it came of a token, what the token may do."""

    signin: SignIn
    token: str = ""
    name: str = ""
    scopes: tuple[str, ...] = ("admin",)
    trust: Trust = "owner"


class SignIns:
    """The sign-ins of one gateway. Each ends 30 days after it was made (one made by a setup code after an hour),
    however much it is used. Nothing is cached: what was ended is refused from then on."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._audit = Audit(database, clock)

    async def create(self, how: How, who: Actor, *, credential: str = "", browser: str = "") -> tuple[SignIn, Secret]:
        """A new sign-in, and what the cookie is to hold: 256 random bits, which are not kept."""
        now = self._clock.now()
        lasts_s = CODE_LASTS_S if how == "code" else LASTS_S
        made = SignIn(self._clock.new_id(), how, credential, who.address, browser, now, now, now + lasts_s)
        secret = f"{_PREFIX}{made.id}_{secrets.token_urlsafe(32)}"
        sql = f"INSERT INTO signins ({_COLUMNS}, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        values = (made.id, how, credential, made.address, browser, now, now, made.expires_at, _digest(secret))
        noted = self._audit.of("auth.login", who, detail={"how": how, "signin": made.id})
        ended = Statement("DELETE FROM signins WHERE expires_at <= $1", (now,))
        await self._database.transact([ended, Statement(sql, values, expect=1), *noted])
        return made, Secret(secret)

    async def check(self, secret: str) -> Holder | None:
        """Whose sign-in this is the secret of, or None. A full disk does not keep anybody out."""
        if not (secret.startswith(_PREFIX) and secret.isascii()):
            return None
        columns = ", ".join(f"s.{column}" for column in _COLUMNS.split(", "))
        rows = await self._database.fetch(
            f"SELECT {columns}, s.digest, t.id, t.name, t.scopes, t.trust FROM signins s "
            "LEFT JOIN tokens t ON s.how = 'token' AND t.id = s.credential WHERE s.id = $1 AND s.expires_at > $2",
            signin_of(secret),
            self._clock.now(),
        )
        if not rows or not isinstance(digest := rows[0][-5], bytes) or not hmac.compare_digest(digest, _digest(secret)):
            return None
        holder = _holder(rows[0])
        if holder is not None:
            await self._see(holder.signin)
        return holder

    async def settle(self, signin: SignIn, how: How, credential: str = "") -> None:
        """A browser that came in with a setup code has made a credential of its own, and stays in with that."""
        sql = "UPDATE signins SET how = $2, credential = $3, expires_at = $4 WHERE id = $1 AND how = 'code'"
        values = (signin.id, how, credential, signin.created_at + LASTS_S)
        await self._database.transact([Statement(sql, values)])

    async def list(self) -> list[SignIn]:
        """Those that are in force, the one that was seen last first."""
        sql = f"SELECT {_COLUMNS} FROM signins WHERE expires_at > $1 ORDER BY last_seen_at DESC, id DESC"
        return [_signin(row) for row in await self._database.fetch(sql, self._clock.now())]

    async def has(self, address: str) -> bool:
        """Whether the owner has signed in from this address, and is in."""
        sql = "SELECT 1 FROM signins WHERE address = $1 AND how <> 'token' AND expires_at > $2 LIMIT 1"
        return bool(await self._database.fetch(sql, address, self._clock.now()))

    async def end(self, signin: str, who: Actor) -> None:
        """Refuse what holds the sign-in of this id from now on. Raises NotFound."""
        noted = self._audit.of("signin.end", who, detail={"signin": signin})
        try:
            gone = Statement("DELETE FROM signins WHERE id = $1", (signin,), expect=1)
            await self._database.transact([gone, *noted])
        except Unexpected as error:
            raise NotFound(
                f"no sign-in has the id {signin!r}", "`carapax owner signins` shows those there are"
            ) from error

    async def end_all(self, who: Actor, *, keep: str = "") -> int:
        """End all of them but `keep`. Returns how many there were."""
        ended = Statement("DELETE FROM signins WHERE id <> $1 RETURNING id", (keep,))
        rows = await self._database.transact([ended, *self._audit.of("signin.end_all", who)])
        return len(rows[0])

    async def _see(self, signin: SignIn) -> None:
        now = self._clock.now()
        if now - signin.last_seen_at >= _SEEN_EVERY_S:
            with suppress(StoreError):
                sql = "UPDATE signins SET last_seen_at = $2 WHERE id = $1"
                await self._database.transact([Statement(sql, (signin.id, now))])


def signin_of(secret: str) -> str:
    """The id of the sign-in that a secret claims to be of; nothing where what it says is no id."""
    claimed = secret.removeprefix(_PREFIX).partition("_")[0] if secret.startswith(_PREFIX) else ""
    return claimed if is_id(claimed) else ""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _signin(row: Row) -> SignIn:
    return msgspec.convert(dict(zip(SignIn.__struct_fields__, row, strict=True)), SignIn)


def _holder(row: Row) -> Holder | None:
    """None for a sign-in whose token is gone."""
    signin = _signin(row[:-5])
    if signin.how != "token":
        return Holder(signin)
    token, name, scopes, trust = row[-4:]
    if token is None:
        return None
    fields = {
        "signin": signin,
        "token": token,
        "name": name,
        "scopes": msgspec.json.decode(str(scopes)),
        "trust": trust,
    }
    return msgspec.convert(fields, Holder)
