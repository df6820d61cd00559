"""Bearer tokens: what a caller shows, kept only as a hash."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from carapax.clock import Clock, is_id
from carapax.errors import NotFound, StoreError
from carapax.messages import Trust
from carapax.redaction import Secret
from carapax.store.audit import LOCAL, Actor, Audit
from carapax.store.database import Database, Row, Statement, Unexpected
from carapax.store.owner import LastCredential, end_signins_of, without

_PREFIX = "cpx_"
_USE_NOTED_EVERY_S = 60
_COLUMNS = "id, name, scopes, created_at, last_used_at, trust"


class Token(Struct, frozen=True):
    """What is known of a token. `last_used_at` is right to the minute, and None for one that was never used. `trust`
    says whose words its messages are."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    last_used_at: float | None = None
    trust: Trust = "owner"


class Tokens:
    """The tokens of one gateway. Nothing is cached: a token that was revoked is refused from then on."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._audit = Audit(database, clock)

    async def create(
        self, name: str, scopes: Sequence[str], who: Actor = LOCAL, trust: Trust = "owner"
    ) -> tuple[Token, Secret]:
        """A new token of 256 random bits. The secret is not kept and cannot be had again."""
        token = Token(self._clock.new_id(), name, tuple(scopes), self._clock.now(), trust=trust)
        secret = f"{_PREFIX}{token.id}_{secrets.token_urlsafe(32)}"
        sql = "INSERT INTO tokens (id, name, scopes, digest, created_at, trust) VALUES ($1, $2, $3, $4, $5, $6)"
        encoded = msgspec.json.encode(token.scopes).decode()
        values = (token.id, token.name, encoded, _digest(secret), token.created_at, trust)
        detail = {"token": token.id, "name": name, "scopes": ",".join(scopes), "trust": trust}
        made = self._audit.of("token.create", who, detail=detail)
        await self._database.transact([Statement(sql, values, expect=1), *made])
        return token, Secret(secret)

    async def list(self) -> list[Token]:
        """Oldest first."""
        rows = await self._database.fetch(f"SELECT {_COLUMNS} FROM tokens ORDER BY created_at, id")
        return [_token(row) for row in rows]

    async def revoke(self, token: str, who: Actor = LOCAL, *, keep_one: bool = False) -> None:
        """Refuse the token of this id, and who has signed in with it, from now on. Raises NotFound, and Conflict where
        it is the last credential of all and `keep_one`."""
        ended = self._audit.of("token.revoke", who, detail={"token": token})
        gone = Statement("DELETE FROM tokens WHERE id = $1", (token,), expect=1)
        try:
            await without(self._database, [gone, end_signins_of(token), *ended], keep_one=keep_one)
        except LastCredential:
            raise
        except Unexpected as error:
            raise NotFound(f"no token has the id {token!r}", "`carapax token list` shows those there are") from error

    async def check(self, secret: str) -> Token | None:
        """The token this is the secret of, or None."""
        if not (secret.startswith(_PREFIX) and secret.isascii()):
            return None
        rows = await self._database.fetch(f"SELECT {_COLUMNS}, digest FROM tokens WHERE id = $1", account(secret))
        if not rows or not isinstance(digest := rows[0][-1], bytes):
            return None
        if not hmac.compare_digest(digest, _digest(secret)):
            return None
        token = _token(rows[0][:-1])
        await self._note_use(token)
        return token

    async def _note_use(self, token: Token) -> None:
        now = self._clock.now()
        if token.last_used_at is not None and now - token.last_used_at < _USE_NOTED_EVERY_S:
            return
        # A full disk must not lock out whoever comes to free it.
        with suppress(StoreError):
            sql = "UPDATE tokens SET last_used_at = $2 WHERE id = $1"
            await self._database.transact([Statement(sql, (token.id, now))])


def account(secret: str) -> str:
    """The id of the token that a secret claims to be of; nothing where what it says is no id."""
    claimed = secret.removeprefix(_PREFIX).partition("_")[0] if secret.startswith(_PREFIX) else ""
    return claimed if is_id(claimed) else ""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _token(row: Row) -> Token:
    fields = dict(zip(Token.__struct_fields__, row, strict=True))
    return msgspec.convert(fields | {"scopes": msgspec.json.decode(str(fields["scopes"]))}, Token)
