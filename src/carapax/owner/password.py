"""The owner's password: set, and tried one at a time, for each try costs 64 MB and a tenth of a second."""

import asyncio
import hmac
import os

from carapax.errors import InvalidRequest
from carapax.passphrase import Cost, derived
from carapax.redaction import Secret
from carapax.store.audit import Actor
from carapax.store.owner import Hashed, OwnerRecord
from carapax.uninterrupted import uninterrupted

SHORTEST, LONGEST = 12, 1_000
_SALT_BYTES = 16


class Password:
    """The password of a gateway, of which only what Argon2id (RFC 9106) makes of it is kept. Who counts wrong ones
    holds `tries` from looking at the count to counting, so that many at the same time are no more than one by one."""

    def __init__(self, record: OwnerRecord, cost: Cost | None = None) -> None:
        self._record = record
        self._cost = cost or Cost()
        self.tries = asyncio.Lock()
        self._one = asyncio.Lock()

    async def set(self, new: Secret, who: Actor, *, keep: str = "") -> None:
        """Replace it, and end what was signed in with the one before, but the sign-in `keep`. Raises InvalidRequest for
        one that is too short."""
        check_length(new)
        salt = os.urandom(_SALT_BYTES)
        made = await self._derived(new, salt, self._cost)
        await self._record.set_password(Hashed(self._cost, salt, made), who, keep=keep)

    async def is_right(self, shown: Secret) -> bool:
        """Whether this is the password."""
        kept = await self._record.password()
        if kept is None or len(shown.reveal()) > LONGEST or not _is_text(shown):
            return False
        return hmac.compare_digest(kept.hash, await self._derived(shown, kept.salt, kept.cost))

    async def _derived(self, password: Secret, salt: bytes, cost: Cost) -> bytes:
        """One at a time, also when who asked has left: the thread goes on, and takes its memory until it is done."""
        async with self._one:
            return await uninterrupted(asyncio.to_thread(derived, password, salt, cost))


def check_length(new: Secret) -> None:
    """Raises InvalidRequest for a password that is too short or too long."""
    if len(new.reveal()) < SHORTEST:
        raise InvalidRequest("the password is too short", f"use {SHORTEST} characters or more; four words are good")
    if len(new.reveal()) > LONGEST or not _is_text(new):
        raise InvalidRequest(f"the password has more than {LONGEST} characters, or half ones", "choose another")


def _is_text(password: Secret) -> bool:
    """JSON can carry halves of characters."""
    try:
        password.reveal().encode()
    except UnicodeEncodeError:
        return False
    return True
