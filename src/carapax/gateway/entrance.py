"""The doors that need no credential: what a browser can sign in with, signing in, and out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Struct

from carapax.api.services import Services
from carapax.config import is_loopback
from carapax.errors import InvalidRequest, Unauthorized
from carapax.gateway.auth import Gate, bare, cookie_of, has_cookie
from carapax.gateway.guesses import Guess
from carapax.gateway.peer import Peer
from carapax.gateway.responses import respond, respond_json
from carapax.gateway.rest import read_json
from carapax.owner.challenges import Page
from carapax.owner.page import browser_of, page_at
from carapax.redaction import Secret
from carapax.store.audit import Actor
from carapax.store.signins import How as Way
from carapax.throttle import PASSWORD, Rate

B = TypeVar("B", bound=Struct)
_BODY_BYTES = 16_384


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """token: a token's secret"""

    token: str


class Code(Struct, frozen=True, forbid_unknown_fields=True):
    """code: the setup code that stands in the terminal"""

    code: str


class Password(Struct, frozen=True, forbid_unknown_fields=True):
    """password: the owner's"""

    password: str


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """credential: what `navigator.credentials.get` gave, as JSON"""

    credential: dict[str, object]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Standing(Struct, frozen=True):
    """What a browser may know before it is in, and how it is in.

    signed_in: whether calls are taken from it as it is
    free: whether they are because nothing need be shown here
    how: with what it has signed in: passkey, password, token or code; empty where it has not
    scopes: what it may do
    setup: whether a setup code can be used now
    owned: whether the owner has a passkey or a password
    password: whether there is a password
    passkeys: whether there are passkeys for the name that the page was opened under
    passkey_host: that name, where passkeys can be made and used under it; else empty
    elsewhere: the same page where they can, if not here but known; else empty
    secure: whether what it sends is encrypted on its way here, or does not leave this machine
    """

    signed_in: bool
    free: bool
    how: str
    scopes: tuple[str, ...]
    setup: bool
    owned: bool
    password: bool
    passkeys: bool
    passkey_host: str
    elsewhere: str
    secure: bool


class Entrance:
    """Answers what comes to `PATHS`. Whether the calling page is ours was checked before."""

    PATHS: ClassVar[dict[str, tuple[str, ...]]] = {
        "/auth": ("GET",),
        "/auth/setup": ("POST",),
        "/auth/password": ("POST",),
        "/auth/passkey/begin": ("POST",),
        "/auth/passkey/finish": ("POST",),
        "/login": ("POST",),
        "/logout": ("POST",),
    }

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._gate = gate
        self._rate = Rate(lambda: services.config.limits.anonymous_per_minute)
        self._looks = Rate(lambda: services.config.limits.anonymous_per_minute)
        self._ways: dict[str, Callable[[web.BaseRequest, Peer], Awaitable[web.Response]]] = {
            "/auth": self._standing,
            "/auth/setup": self._setup,
            "/auth/password": self._password,
            "/auth/passkey/begin": self._begin,
            "/auth/passkey/finish": self._finish,
            "/login": self._login,
            "/logout": self._logout,
        }

    async def respond(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        """Raises CarapaxError for what is refused."""
        if request.method == "POST":
            self._rate.take(peer.address, asyncio.get_running_loop().time(), "sign-ins from this address")
        return await self._ways[request.path](request, peer)

    async def _standing(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        holder, free = await self._gate.signed_in(request, peer), await self._gate.is_free(peer)
        if holder is None and not free:
            self._looks.take(peer.address, asyncio.get_running_loop().time(), "looks from this address")
        record = self._services.owner.record
        page, passkeys = page_at(peer.origin), await record.passkeys()
        password = await record.password() is not None
        name = bare(peer.host)
        standing = Standing(
            signed_in=holder is not None or free,
            free=free,
            how=holder.signin.how if holder else "",
            scopes=holder.scopes if holder else ("admin",) if free else (),
            setup=self._services.owner.code.is_open,
            owned=password or bool(passkeys),
            password=password,
            passkeys=page is not None and any(each.host == page.host for each in passkeys),
            passkey_host=page.host if page else "",
            elsewhere="" if page else _elsewhere(peer),
            secure=peer.is_secure or is_loopback(name),
        )
        response = respond_json(standing)
        if holder is None and has_cookie(request, is_secure=peer.is_secure):
            _take_back(request, peer, response)
        return response

    async def _setup(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        code = (await self._read(request, Code)).code

        async def spend() -> None:
            self._services.owner.code.spend(code)

        await self._gate.guesses.attempt(Guess("setup code", peer.address), spend)
        return await self._enter(request, peer, "code")

    async def _password(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        """Where the owner is in already, only wrong ones from there count: nobody else keeps the owner out of it."""
        shown = Secret((await self._read(request, Password)).password)

        async def check() -> None:
            if not await self._services.owner.password.is_right(shown):
                raise Unauthorized("the password is wrong", "try again, or sign in another way")

        account = "" if await self._services.signins.has(peer.address) else PASSWORD
        await self._gate.guesses.attempt(Guess("password", peer.address, account=account), check)
        return await self._enter(request, peer, "password")

    async def _begin(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        await self._read(request, Nothing)
        return respond_json(self._services.owner.passkeys.begin(_page(request, peer)))

    async def _finish(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        answer = (await self._read(request, Answer)).credential
        page = _page(request, peer)
        guess = Guess("passkey", peer.address)
        passkey = await self._gate.guesses.attempt(guess, lambda: self._services.owner.passkeys.verify(page, answer))
        return await self._enter(request, peer, "passkey", passkey.id)

    async def _login(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        """Exchange a token for a cookie that scripts of the page cannot read, and that ends with the token."""
        credential = await self._gate.recognise((await self._read(request, Login)).token, peer)
        if not credential.token:
            raise Unauthorized("this is no token", "`carapax token create` makes one")
        return await self._enter(request, peer, "token", credential.token, credential.caller.actor())

    async def _logout(self, request: web.BaseRequest, peer: Peer) -> web.Response:
        holder = await self._gate.signed_in(request, peer)
        if holder is not None:
            await self._services.signins.end(holder.signin.id, _actor(holder.token, holder.name, peer))
        response = respond(status=204)
        _take_back(request, peer, response)
        return response

    async def _enter(
        self, request: web.BaseRequest, peer: Peer, how: Way, credential: str = "", who: Actor | None = None
    ) -> web.Response:
        """Make a sign-in, in place of the one that the browser had."""
        before = await self._gate.signed_in(request, peer)
        signins = self._services.signins
        browser = browser_of(request.headers.get(hdrs.USER_AGENT, ""))
        who = who or _actor("", "", peer)
        made, secret = await signins.create(how, who, credential=credential, browser=browser)
        if before is not None:
            await signins.end(before.signin.id, who)
        self._gate.guesses.prove(peer.address, secret.reveal())
        response = respond(status=204)
        lasts_s = int(made.expires_at - made.created_at)
        response.set_cookie(
            cookie_of(request, is_secure=peer.is_secure),
            secret.reveal(),
            httponly=True,
            samesite="Strict",
            path="/",
            max_age=lasts_s,
            secure=peer.is_secure,
        )
        return response

    async def _read(self, request: web.BaseRequest, kind: type[B]) -> B:
        body = await read_json(request, self._services.config.limits, _BODY_BYTES)
        try:
            return msgspec.convert(body, kind)
        except msgspec.ValidationError as error:
            fields = ", ".join(kind.__struct_fields__) or "nothing"
            raise InvalidRequest(f"{request.path}: {error}", f"send {fields}") from error


def _take_back(request: web.BaseRequest, peer: Peer, response: web.Response) -> None:
    """Have the browser forget the cookie."""
    response.del_cookie(cookie_of(request, is_secure=peer.is_secure), path="/", secure=peer.is_secure)


def _actor(token: str, name: str, peer: Peer) -> Actor:
    return Actor(token or "owner", name, peer.address)


def _page(request: web.BaseRequest, peer: Peer) -> Page:
    """Our page that asks, which a browser always names. Raises InvalidRequest where it can have no passkeys."""
    page = page_at(peer.origin)
    if page is None:
        raise InvalidRequest(
            f"browsers have no passkeys at {peer.origin}",
            f"open {_elsewhere(peer)}" if _elsewhere(peer) else "open the gateway under a name, over https",
        )
    if request.headers.get(hdrs.ORIGIN, "").lower() != page.origin:
        raise InvalidRequest(f"passkeys are used from the page at {page.origin}", "open it there")
    return page


def _elsewhere(peer: Peer) -> str:
    """The page on this machine under its name."""
    name = bare(peer.host)
    if not is_loopback(name) or peer.is_secure:
        return ""
    _, _, port = peer.host.rpartition(":")
    return f"http://localhost:{port}/" if port.isdigit() else "http://localhost/"
