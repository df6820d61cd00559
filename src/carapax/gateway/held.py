"""Connections that outlast a request, and their end when the credential they came with ends."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from carapax.errors import CarapaxError
from carapax.gateway.auth import Credential
from carapax.store.tokens import Tokens

CHECK_S = 0.5
REVOKED = "the token was revoked"
STOPPING = "the gateway stops"
_log = logging.getLogger(__name__)


class Held:
    """All open WebSockets and streams, each with the credential it came with and a way to drop it."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
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
        """Drop, until cancelled, what came with a token that was revoked, or free before there was a token."""
        while True:
            await asyncio.sleep(CHECK_S)
            if any(credential.token or credential.free for credential, _ in self._open.values()):
                try:
                    known = {token.id for token in await self._tokens.list()}
                except CarapaxError as error:
                    _log.warning("tokens cannot be checked: %s", error)
                else:
                    self._drop(known)

    def drop_all(self) -> None:
        """Drop everything, as the gateway stops."""
        for _, drop in list(self._open.values()):
            drop(STOPPING)

    def _drop(self, known: set[str]) -> None:
        for credential, drop in list(self._open.values()):
            if (credential.free and known) or (credential.token and credential.token not in known):
                drop(REVOKED)
