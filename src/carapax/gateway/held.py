"""Connections that outlast a request, and their end when the credential they came with ends."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from carapax.errors import CarapaxError
from carapax.gateway.auth import FREE, LOCAL, Credential
from carapax.owner.owner import Owner
from carapax.store.signins import SignIns
from carapax.store.tokens import Tokens

CHECK_S = 0.5
ENDED = "what this came with was revoked or has ended"
STOPPING = "the gateway stops"
_log = logging.getLogger(__name__)


class Held:
    """All open WebSockets and streams, each with the credential it came with and a way to drop it."""

    def __init__(self, tokens: Tokens, signins: SignIns, owner: Owner) -> None:
        self._tokens = tokens
        self._signins = signins
        self._owner = owner
        self._open: dict[object, tuple[Credential, Callable[[str], object]]] = {}

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def hold(self, credential: Credential, drop: Callable[[str], object]) -> Iterator[None]:
        """Register a connection for as long as the block runs. `drop` is told why."""
        key = object()
        self._open[key] = (credential, drop)
        try:
            yield
        finally:
            del self._open[key]

    async def watch(self) -> None:
        """Drop, until cancelled, what came with a token or sign-in that has ended, or free before there was anything to
        show."""
        while True:
            await asyncio.sleep(CHECK_S)
            shown = [credential for credential, _ in self._open.values()]
            if any(credential != LOCAL for credential in shown):
                try:
                    known = await self._known(shown)
                except CarapaxError as error:
                    _log.warning("credentials cannot be checked: %s", error)
                else:
                    self._drop(known)

    def drop_all(self) -> None:
        """Drop everything, as the gateway stops."""
        for _, drop in list(self._open.values()):
            drop(STOPPING)

    async def _known(self, shown: list[Credential]) -> set[str]:
        """The tokens and sign-ins that are in force, and "free" where nothing need be shown; as far as anybody asks."""
        known: set[str] = set()
        if any(credential.token for credential in shown):
            known |= {token.id for token in await self._tokens.list()}
        if any(credential.signin for credential in shown):
            known |= {signin.id for signin in await self._signins.list()}
        if any(credential.free for credential in shown) and not await self._owner.guarded():
            known.add(FREE.account)
        return known

    def _drop(self, known: set[str]) -> None:
        for credential, drop in list(self._open.values()):
            if credential != LOCAL and not {credential.account, credential.token or credential.account} <= known:
                drop(ENDED)
