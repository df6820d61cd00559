"""Who may come in: by which name, from which page, with which credential."""

import asyncio
import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import hdrs
from aiohttp.web import BaseRequest

from carapax.api.operation import Operation, covers
from carapax.api.services import LOCAL as LOCAL_CALLER
from carapax.api.services import Caller
from carapax.config import GatewayConfig, is_loopback
from carapax.errors import ConfigError, Forbidden, RateLimited, Unauthorized
from carapax.redaction import Secret
from carapax.store.audit import Actor, Audit
from carapax.store.tokens import Token, Tokens, account
from carapax.throttle import GUESSES, Bans, Rate

COOKIE = "carapax"
NOTED_PER_MINUTE = 60
PROVEN = 10_000
_WRONG = "the token is not known, or was revoked"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PROXIED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


class Credential(NamedTuple):
    """What a caller showed. `token` is the id of a token; without one, `free` means that nothing was needed."""

    caller: Caller
    token: str = ""
    free: bool = False


FREE = Credential(LOCAL_CALLER, free=True)
LOCAL = Credential(LOCAL_CALLER)


async def check_bind(config: GatewayConfig, tokens: Tokens) -> None:
    """Raise ConfigError for an address that others can reach while no token exists."""
    if not is_loopback(config.host) and not await tokens.any():
        raise ConfigError(
            f"gateway.host is {config.host}, which others can reach, and there is no token",
            "run `carapax token create`, or listen on 127.0.0.1",
        )


class Gate:
    """Checks each request before anything of its body is read.

    `vouched` tells of other names that are ours now. `local` is the secret of this start, for commands of the same
    user: it has all scopes, and does not end free access from this machine, which lasts until the first token is made.

    Ten wrong tokens ban the address they came from, and the token they name, for a while. A ban refuses everything
    before any work but that secret, and tokens that were right before from the same address: it locks out whoever
    guesses, and nobody who is in. What is banned from this machine is so for five minutes at most.
    """

    def __init__(
        self,
        config: Callable[[], GatewayConfig],
        tokens: Tokens,
        local: Secret,
        audit: Audit,
        bans: Bans,
        vouched: Callable[[str], bool] = lambda host: False,
    ) -> None:
        self._vouched = vouched
        self._config = config
        self._loopback = is_loopback(config().host)
        self._tokens = tokens
        self._local = local
        self._bans = bans
        self._trying = asyncio.Lock()
        self._proven: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._audit = audit
        self._noted = Rate(NOTED_PER_MINUTE)

    def check_ban(self, request: BaseRequest, now: float) -> None:
        """Raises RateLimited for an address that is banned."""
        peer = address(request)
        wait = self._bans.wait(peer, now)
        if wait:
            shown = _shown(request)
            if not (self._is_local(shown) or (peer, _digest(shown)) in self._proven):
                raise RateLimited("too many wrong tokens from this address", wait)

    def check_host(self, request: BaseRequest) -> None:
        """Raises Forbidden for a name that is not ours: a page can point any other name at this address."""
        name = _bare(request.headers[hdrs.HOST])
        if name in _names(self._config()) or name == _own_address(request) or (self._loopback and is_loopback(name)):
            return
        if self._vouched(name):
            return
        raise Forbidden(f"the gateway is not called {name!r}", "add the name to gateway.allowed_hosts")

    def check_origin(self, request: BaseRequest, *, changes: bool) -> None:
        """Raises Forbidden for a call by a page of another site. `changes`: whether it could change something."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None and changes:
            referer = request.headers.get(hdrs.REFERER)
            origin = None if referer is None else "/".join(referer.split("/")[:3])
        if origin is not None and origin.lower() in _origins(self._config()):
            return
        if origin is not None and not _same(origin, request.headers[hdrs.HOST]):
            raise Forbidden(f"pages of {origin!r} may not call the gateway", "add it to gateway.allowed_origins")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("same-origin", "none"):
            raise Forbidden(f"pages of another site ({site}) may not call the gateway")

    def allowed_origin(self, request: BaseRequest) -> str:
        """The origin of the calling page if it is one of `gateway.allowed_origins`, else ""."""
        origin = request.headers.get(hdrs.ORIGIN, "")
        return origin if origin.lower() in _origins(self._config()) else ""

    async def identify(self, request: BaseRequest, now: float) -> Credential:
        """The caller by its bearer header or cookie; while access is free, whatever is shown.

        Raises Unauthorized, and RateLimited after too many failures.
        """
        shown = _shown(request)
        if self._is_local(shown):
            return LOCAL
        if self._is_direct(request) and not await self._tokens.any():
            return FREE
        if not shown:
            raise Unauthorized(
                "a token is needed", "`carapax token create` makes one; send it as Authorization: Bearer"
            )
        return await self.recognise(shown, address(request), now)

    async def recognise(self, shown: str, peer: str, now: float) -> Credential:
        """The caller that a secret belongs to. Raises Unauthorized, and RateLimited after too many failures."""
        if self._is_local(shown):
            return LOCAL
        proof = (peer, _digest(shown))
        if proof in self._proven:
            token = await self._tokens.check(shown)
            if token is None:
                raise Unauthorized(_WRONG)
        else:
            token = await self._try(shown, peer, proof[1], now)
        self._prove(proof)
        return Credential(Caller(token.id, token.name, token.scopes, peer, token.trust), token.id)

    async def _try(self, shown: str, peer: str, digest: bytes, now: float) -> Token:
        """Check a token that was not shown from this address before. One after the other, so that those who guess at
        the same time are counted as those who do not."""
        named = account(shown)
        async with self._trying:
            for key, what in ((peer, "from this address"), (named, "of this name")):
                if wait := self._bans.wait(key, now):
                    raise RateLimited(f"too many wrong tokens {what}", wait)
            token = await self._tokens.check(shown)
            if token is not None:
                self._prove((peer, digest))
            else:
                banned = {peer: self._bans.fail(peer, digest, now, grows=not is_loopback(peer))}
                if named:
                    banned[named] = self._bans.fail(named, digest, now)
        if token is None:
            await self._note_guess(peer, named, banned)
            raise Unauthorized(_WRONG)
        await self._audit.note("auth.accepted", Actor(token.id, token.name, peer))
        return token

    def _prove(self, proof: tuple[str, bytes]) -> None:
        self._proven[proof] = None
        self._proven.move_to_end(proof)
        if len(self._proven) > PROVEN:
            self._proven.popitem(last=False)

    async def _note_guess(self, peer: str, named: str, banned: Mapping[str, float]) -> None:
        """Record it, but no more than so many a minute from all addresses together."""
        try:
            self._noted.take("", asyncio.get_running_loop().time(), "refusals to record")
        except RateLimited:
            return
        await self._audit.note("auth.refused", Actor("", address=peer), detail={"token": named} if named else {})
        for key, seconds in banned.items():
            if seconds:
                detail: dict[str, str | int] = {"banned": key, "seconds": int(seconds), "wrong": GUESSES}
                await self._audit.note("auth.banned", Actor("", address=peer), detail=detail)

    def _is_local(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), self._local.reveal().encode())

    def _is_direct(self, request: BaseRequest) -> bool:
        """Whether it comes from this machine and not through a proxy on it, which would speak for anybody."""
        return is_loopback(address(request)) and not any(name in request.headers for name in _PROXIED)


@lru_cache(4)
def _names(config: GatewayConfig) -> frozenset[str]:
    """Under which the gateway may be called."""
    return frozenset(map(_bare, ("localhost", config.host, *config.allowed_hosts))) - {"0.0.0.0", "::"}


@lru_cache(4)
def _origins(config: GatewayConfig) -> frozenset[str]:
    """Whose pages may call the gateway."""
    return frozenset(origin.rstrip("/").lower() for origin in config.allowed_origins)


def permit(caller: Caller, operation: Operation) -> None:
    """Raises Forbidden when the caller lacks the operation's scope."""
    if not covers(caller.scopes, operation.scope):
        raise Forbidden(f"{operation.name} needs the scope {operation.scope!r}", "use a token that has it")


def changes(request: BaseRequest) -> bool:
    return request.method not in _SAFE


def address(request: BaseRequest) -> str:
    """The peer's address; an IPv6 network of 64 bits counts as one."""
    peer = request.remote or ""
    if ":" not in peer:
        return peer
    parsed = ipaddress.IPv6Address(peer.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return peer if parsed.is_loopback else str(ipaddress.IPv6Network((parsed, 64), strict=False))


def _digest(shown: str) -> bytes:
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).digest()


def _shown(request: BaseRequest) -> str:
    scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme:
        return bearer.strip() if scheme.lower() == "bearer" else "-"
    return request.cookies.get(COOKIE, "")


def _bare(host: str) -> str:
    """A host without its port, brackets, final dot and capitals."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return (host if host.count(":") > 1 else host.partition(":")[0]).removesuffix(".")


def _own_address(request: BaseRequest) -> str | None:
    """The address the connection was made to; as a literal it cannot be pointed elsewhere."""
    own = None if request.transport is None else request.transport.get_extra_info("sockname")
    return str(own[0]) if isinstance(own, tuple) else None


def _same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.strip().lower()
