"""Who may come in: by which name, from which page, with which credential."""

import hmac
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import hdrs
from aiohttp.web import BaseRequest
from msgspec.structs import replace

from carapax.api.operation import Operation, covers
from carapax.api.services import LOCAL as LOCAL_CALLER
from carapax.api.services import Caller, Services
from carapax.config import GatewayConfig, is_loopback, is_public
from carapax.errors import ConfigError, Forbidden, RateLimited, Unauthorized
from carapax.gateway.guesses import Guess, Guesses, How
from carapax.gateway.peer import THIS_MACHINE, Network, Peer, networks, peer_of
from carapax.redaction import Secret
from carapax.store.signins import Holder, signin_of
from carapax.store.tokens import account

COOKIE = "carapax"
_COOKIES = 4
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:@/?#\\]+)(:(?P<port>[0-9]{0,5}))?")
_LAST_PORT = 65_535
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Credential(NamedTuple):
    """What a caller showed. `token` is the id of a token, `signin` that of a sign-in; without either, `free` means that
    nothing was needed."""

    caller: Caller
    token: str = ""
    free: bool = False
    signin: str = ""

    @property
    def account(self) -> str:
        """Whose calls its calls are counted with."""
        return self.signin or self.token


FREE = Credential(replace(LOCAL_CALLER, free=True), free=True)
LOCAL = Credential(LOCAL_CALLER)


class _Shown(NamedTuple):
    secret: str
    is_cookie: bool = False


class _Rules(NamedTuple):
    """What the configuration says of who may call."""

    names: frozenset[str]
    loopback: bool
    origins: frozenset[str]
    proxies: tuple[Network, ...]


def check_bind(config: GatewayConfig, *, guarded: bool) -> None:
    """Raise ConfigError for an address that others can reach while there is no credential."""
    if not is_loopback(config.host) and not guarded:
        raise ConfigError(
            f"gateway.host is {config.host}, which others can reach, and there is no password, passkey or token",
            "run `carapax owner password` or `carapax token create`, or listen on 127.0.0.1",
        )


class Gate:
    """Checks each request before anything of its body is read.

    `vouched` tells of other names that are ours now. `local` is the secret of this start, for commands of the same
    user: it has all scopes, and does not end free access from this machine, which lasts until the first credential is
    made. No ban keeps it out.
    """

    def __init__(self, services: Services, local: Secret, vouched: Callable[[str], bool] = lambda host: False) -> None:
        self._services = services
        self._vouched = vouched
        self._local = local
        self.guesses = Guesses(services.bans, services.audit, services.owner.password.tries)

    def peer(self, request: BaseRequest) -> Peer:
        """Where it comes from. Raises InvalidRequest when a proxy says two things at once."""
        proxies = self._rules.proxies
        if bare(request.headers[hdrs.HOST]) in self._services.tailscale.names:
            proxies = (*proxies, *THIS_MACHINE)
        return peer_of(request, proxies)

    def check_ban(self, request: BaseRequest, peer: Peer, now: float) -> None:
        """Raises RateLimited for an address that is banned."""
        wait = self.guesses.wait(peer.address, now)
        if wait:
            shown = _shown(request, peer)
            if not any(self._is_local(each) or self.guesses.is_proven(peer.address, each.secret) for each in shown):
                raise RateLimited("too many wrong secrets from this address", wait)

    def check_host(self, request: BaseRequest, peer: Peer) -> None:
        """Raises Forbidden for a name that is not ours: a page can point any other name at this address."""
        name = bare(peer.host) if _is_authority(peer.host) else peer.host
        rules = self._rules
        if name in rules.names or name == _own_address(request) or (rules.loopback and is_loopback(name)):
            return
        if self._vouched(name):
            return
        raise Forbidden(f"the gateway is not called {name!r}", "add the name to gateway.allowed_hosts")

    def check_origin(self, request: BaseRequest, peer: Peer, *, changes: bool) -> None:
        """Raises Forbidden for a call by a page of another site. `changes`: whether it could change something."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None and changes:
            referer = request.headers.get(hdrs.REFERER)
            origin = None if referer is None else "/".join(referer.split("/")[:3])
        if origin is not None and origin.lower() in self._rules.origins:
            return
        if origin is not None and not _same(origin, peer):
            raise Forbidden(f"pages of {origin!r} may not call the gateway", "add it to gateway.allowed_origins")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("same-origin", "none"):
            raise Forbidden(f"pages of another site ({site}) may not call the gateway")

    def allowed_origin(self, request: BaseRequest) -> str:
        """The origin of the calling page if it is one of `gateway.allowed_origins`, else ""."""
        origin = request.headers.get(hdrs.ORIGIN, "")
        return origin if origin.lower() in self._rules.origins else ""

    async def is_free(self, peer: Peer) -> bool:
        """Whether this caller needs no credential: nobody else can call, and there is none."""
        alone = peer.is_direct and not is_public(self._services.config.gateway)
        return alone and not await self._services.owner.guarded()

    async def signed_in(self, request: BaseRequest, peer: Peer) -> Holder | None:
        """Who holds the cookie that is shown, if anybody does."""
        shown = await self._chosen(request, peer)
        return await self._services.signins.check(shown.secret) if shown.is_cookie else None

    async def identify(self, request: BaseRequest, peer: Peer) -> Credential:
        """The caller by its bearer header or cookie; while access is free, also without.

        Raises Unauthorized, and RateLimited after too many failures.
        """
        shown = await self._chosen(request, peer)
        if self._is_local(shown):
            return LOCAL
        page = peer.origin if request.headers.get(hdrs.ORIGIN, "").lower() == peer.origin else ""
        if await self.is_free(peer):
            holder = await self.signed_in(request, peer)
            return _held(holder, peer, page) if holder else FREE
        if not shown.secret:
            raise Unauthorized("a credential is needed", "sign in; or send a token as Authorization: Bearer")
        return await self._recognise(shown, peer, page)

    async def recognise(self, token: str, peer: Peer) -> Credential:
        """The caller that a token belongs to. Raises Unauthorized, and RateLimited after too many failures."""
        if self._is_local(_Shown(token)):
            return LOCAL
        return await self._recognise(_Shown(token), peer, "")

    async def _chosen(self, request: BaseRequest, peer: Peer) -> _Shown:
        """What is shown. Of several cookies, which other sites of the domain and other ports can set, it is the one
        that is of a sign-in; where there are two, none, for one of them is somebody else's. Where there is none, they
        are one wrong secret together."""
        shown = _shown(request, peer)
        if len(shown) > 1:
            known = [each for each in shown if await self._services.signins.check(each.secret)]
            shown = known or [_Shown("; ".join(each.secret for each in shown), is_cookie=True)]
        return shown[0] if len(shown) == 1 else _Shown("", is_cookie=True)

    async def _recognise(self, shown: _Shown, peer: Peer, page: str) -> Credential:
        """A secret that was right before from this address is no guess, whatever became of it."""

        async def find() -> Credential:
            return await (
                self._by_cookie(shown.secret, peer, page) if shown.is_cookie else self._by_token(shown.secret, peer)
            )

        if self.guesses.is_proven(peer.address, shown.secret):
            return await find()
        how: How = "sign-in" if shown.is_cookie else "token"
        whose = signin_of(shown.secret) if shown.is_cookie else account(shown.secret)
        found = await self.guesses.attempt(Guess(how, peer.address, shown.secret, whose), find)
        self.guesses.prove(peer.address, shown.secret)
        if found.token:
            await self._services.audit.note("auth.accepted", found.caller.actor())
        return found

    async def _by_token(self, secret: str, peer: Peer) -> Credential:
        token = await self._services.tokens.check(secret)
        if token is None:
            raise Unauthorized("the token is not known, or was revoked")
        return Credential(Caller(token.id, token.name, token.scopes, peer.address, token.trust), token.id)

    async def _by_cookie(self, secret: str, peer: Peer, page: str) -> Credential:
        holder = await self._services.signins.check(secret)
        if holder is None:
            raise Unauthorized("you are not signed in any more", "sign in")
        return _held(holder, peer, page)

    @property
    def _rules(self) -> _Rules:
        return _rules(self._services.config.gateway)

    def _is_local(self, shown: _Shown) -> bool:
        given = "" if shown.is_cookie else shown.secret
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._local.reveal().encode())


@lru_cache(maxsize=4)
def _rules(config: GatewayConfig) -> _Rules:
    named = {"localhost", bare(config.host), *(bare(host) for host in config.allowed_hosts)} - {"0.0.0.0", "::"}
    origins = frozenset(origin.rstrip("/").lower() for origin in config.allowed_origins)
    return _Rules(frozenset(named), is_loopback(config.host), origins, networks(config.behind_proxy))


def _held(holder: Holder, peer: Peer, page: str) -> Credential:
    """A sign-in that came of a token is that token's; any other the owner's."""
    signin = holder.signin
    caller = Caller(
        holder.token or "owner", holder.name, holder.scopes, peer.address, holder.trust, signin=signin, page=page
    )
    return Credential(caller, holder.token, signin=signin.id)


def permit(caller: Caller, operation: Operation) -> None:
    """Raises Forbidden when the caller lacks the operation's scope."""
    if not covers(caller.scopes, operation.scope):
        raise Forbidden(f"{operation.name} needs the scope {operation.scope!r}", "use a token that has it")


def changes(request: BaseRequest) -> bool:
    return request.method not in _SAFE


def cookie_of(request: BaseRequest, *, is_secure: bool) -> str:
    """The name of our cookie. Browsers keep those of all ports of a machine together. One whose name begins with
    `__Host-` they take from nobody but the host itself, and encrypted (RFC 6265bis, 4.1.3.2)."""
    own = None if request.transport is None else request.transport.get_extra_info("sockname")
    name = f"{COOKIE}-{own[1]}" if isinstance(own, tuple) else COOKIE
    return f"__Host-{name}" if is_secure else name


def has_cookie(request: BaseRequest, *, is_secure: bool) -> bool:
    """Whether a cookie of our name came along."""
    return bool(_cookies(request, cookie_of(request, is_secure=is_secure)))


def _shown(request: BaseRequest, peer: Peer) -> list[_Shown]:
    """The bearer, or each cookie of our name, of which a browser sends several that were set for other paths and
    domains."""
    scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme:
        return [_Shown(bearer.strip() if scheme.lower() == "bearer" else "-")]
    found = _cookies(request, cookie_of(request, is_secure=peer.is_secure))
    return [_Shown(each, is_cookie=True) for each in found[:_COOKIES]]


def _cookies(request: BaseRequest, name: str) -> list[str]:
    pairs = (
        pair.strip().partition("=") for line in request.headers.getall(hdrs.COOKIE, []) for pair in line.split(";")
    )
    return list(dict.fromkeys(value for each, _, value in pairs if each == name))


def bare(host: str) -> str:
    """A host without its port, brackets, final dot and capitals."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return (host if host.count(":") > 1 else host.partition(":")[0]).removesuffix(".")


def _own_address(request: BaseRequest) -> str | None:
    """The address the connection was made to; as a literal it cannot be pointed elsewhere."""
    own = None if request.transport is None else request.transport.get_extra_info("sockname")
    return str(own[0]) if isinstance(own, tuple) else None


def _is_authority(host: str) -> bool:
    found = _AUTHORITY.fullmatch(host.strip())
    return found is not None and int(found["port"] or 0) <= _LAST_PORT


def _same(origin: str, peer: Peer) -> bool:
    """Whoever is between can write a page that came in the clear: it is not that of one which did not. What ends TLS in
    front need not have said so."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    schemes = ("https",) if peer.is_secure else ("http", "https")
    return parts.scheme in schemes and parts.netloc.lower() == peer.host.strip().lower()
