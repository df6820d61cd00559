"""OpenAI Codex: a ChatGPT account signs in by OAuth with PKCE, as the Codex command line does, or with its login.

The flow: https://www.rfc-editor.org/rfc/rfc7636; the endpoints are those of https://github.com/openai/codex.
"""

import asyncio
import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from aiohttp import web
from msgspec import Struct, field

from carapax.clock import Clock
from carapax.contracts import SecretStore
from carapax.errors import ModelError, ModelUnauthorized, ModelUnavailable
from carapax.http import Http
from carapax.models.credential import Credential
from carapax.models.login import Challenge, Followed, SingleFlight, Told, ask, signed_out
from carapax.models.refusal import BROKEN_JSON, as_error
from carapax.redaction import Secret

_NAME = "codex"
_KEPT_AS = "login:codex"

# OpenAI knows sign-ins to Codex by the client of its command line, and sends browsers back to this address only.
_CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
_PORT = 1455
_CALLBACK = "/auth/callback"
_API_KEY_URL = "https://api.openai.com/v1"
_PATIENCE_S = 600
_EARLY_S = 300
_REFUSED = (400, 401, 403)
_THANKS = "<!doctype html><title>Signed in</title><p>You are signed in. You can close this page."


class _Tokens(Struct, frozen=True):
    """Times are by the clock here, which may not be that of OpenAI."""

    access_token: str
    refresh_token: str = ""
    account_id: str = ""
    renew_at: float = 0
    expires_at: float = 0


class _Answer(Struct):
    access_token: str | None = None
    refresh_token: str | None = None
    id_token: str | None = None
    expires_in: float | None = None


class _FileTokens(Struct):
    access_token: str
    account_id: str | None = None


class _File(Struct):
    tokens: _FileTokens | None = None
    api_key: str | None = field(name="OPENAI_API_KEY", default=None)


class _Account(Struct):
    chatgpt_account_id: str = ""


class _Claims(Struct):
    exp: float = 0
    iat: float = 0
    account: _Account = field(name="https://api.openai.com/auth", default_factory=_Account)


class _Waiting(Struct):
    verifier: str
    state: str


class Codex:
    """The login of ChatGPT for Codex: of a person who signed in here, else that of the command line, which is read from
    its file and never written. In the environment, CODEX_CLIENT_ID and CODEX_AUTH_URL say otherwise who asks and where,
    CODEX_CALLBACK_PORT where the browser comes back to, CODEX_HOME where the file is."""

    def __init__(
        self, vault: SecretStore, http: Http, clock: Clock, environ: Mapping[str, str], home_dir: Path
    ) -> None:
        self._vault = vault
        self._http = http
        self._clock = clock
        self._client_id = environ.get("CODEX_CLIENT_ID", _CLIENT_ID)
        port = environ.get("CODEX_CALLBACK_PORT", "")
        self._port = int(port) if port.isdecimal() else _PORT
        self._auth = environ.get("CODEX_AUTH_URL", "https://auth.openai.com").rstrip("/")
        folder = environ.get("CODEX_HOME", "").strip()
        self._file = Followed((Path(folder) if folder else home_dir / ".codex") / "auth.json", _File)
        self._flight: SingleFlight[_Tokens] = SingleFlight()

    async def begin(self) -> Challenge:
        waiting = _Waiting(secrets.token_urlsafe(64), secrets.token_urlsafe(24))
        digest = hashlib.sha256(waiting.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect(),
            "scope": "openid profile email offline_access",
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "id_token_add_organizations": "true",
            "codex_cli_simplified_flow": "true",
            "state": waiting.state,
            "originator": "carapax",
        }
        url = f"{self._auth}/oauth/authorize?{urlencode(asked)}"
        return Challenge(url, "", self._clock.now() + _PATIENCE_S, Secret(msgspec.json.encode(waiting).decode()))

    async def finish(self, challenge: Challenge, pasted: str = "") -> None:
        """`pasted` is the address that the browser was sent to, or the code in it, where it could not reach us."""
        waiting = msgspec.json.decode(challenge.kept.reveal(), type=_Waiting)
        if pasted:
            code = _code(pasted, waiting.state)
        else:
            code = await _callback(self._port, waiting.state, challenge.expires_at - self._clock.now())
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect(),
            "client_id": self._client_id,
            "code_verifier": waiting.verifier,
        }
        told = await self._ask(Secret(code), "application/x-www-form-urlencoded", urlencode(form).encode())
        await self._keep(self._read(told, _Tokens("")))

    async def get(self) -> Credential:
        kept = await self._kept()
        if kept is None:
            return self._imported()
        if self._clock.now() >= kept.renew_at:
            try:
                kept = await self._flight(self._refresh)
            except ModelUnavailable:
                if self._clock.now() >= kept.expires_at:
                    raise
        return _credential(kept.access_token, kept.account_id)

    async def renew(self, refused: Credential) -> Credential | None:
        """Other tokens; those of the file when the command line has written others since."""
        kept = await self._kept()
        if kept is None:
            found = self._imported()
            return found if found.key != refused.key else None
        if kept.access_token == refused.key.reveal():
            kept = await self._flight(self._refresh)
        return _credential(kept.access_token, kept.account_id)

    def _imported(self) -> Credential:
        found = self._file.read()
        if found and found.tokens:
            claims = _claims(found.tokens.access_token)
            if 0 < claims.exp <= self._clock.now():
                raise signed_out(_NAME, "the login of the Codex command line has expired")
            return _credential(found.tokens.access_token, found.tokens.account_id or claims.account.chatgpt_account_id)
        if found and found.api_key:
            return Credential(Secret(found.api_key), base_url=_API_KEY_URL)
        raise signed_out(_NAME, "nobody is signed in to Codex")

    async def _refresh(self) -> _Tokens:
        kept = await self._kept()
        if kept is None:
            raise signed_out(_NAME, "nobody is signed in to Codex")
        asked = {
            "client_id": self._client_id,
            "grant_type": "refresh_token",
            "refresh_token": kept.refresh_token,
            "scope": "openid profile email",
        }
        told = await self._ask(Secret(kept.refresh_token), "application/json", msgspec.json.encode(asked))
        try:
            tokens = self._read(told, kept)
        except ModelUnauthorized:
            now = await self._kept()
            if now is None or now == kept:
                raise
            return now  # another process has used the refresh token, which can be used once, and kept what it got
        await self._keep(tokens)
        return tokens

    async def _ask(self, secret: Secret, content_type: str, body: bytes) -> Told:
        headers = {"Content-Type": content_type}
        return await ask(_NAME, self._http, "POST", f"{self._auth}/oauth/token", secret, headers, body)

    def _read(self, told: Told, before: _Tokens) -> _Tokens:
        """The tokens of an answer, with what it leaves out as it was before."""
        if told.status != 200:
            raise _refusal(told)
        answer = told.read(_Answer)
        if not answer.access_token:
            raise told.unusable()
        claims = _claims(answer.access_token)
        account = claims.account.chatgpt_account_id or _claims(answer.id_token or "").account.chatgpt_account_id
        life = answer.expires_in or max(claims.exp - claims.iat, 0)
        return _Tokens(
            answer.access_token,
            answer.refresh_token or before.refresh_token,
            account or before.account_id,
            self._clock.now() + max(life - _EARLY_S, life / 2),
            self._clock.now() + life,
        )

    def _redirect(self) -> str:
        return f"http://localhost:{self._port}{_CALLBACK}"

    async def _kept(self) -> _Tokens | None:
        found = await self._vault.get(_KEPT_AS)
        try:
            return msgspec.json.decode(found.reveal(), type=_Tokens) if found else None
        except BROKEN_JSON:
            raise signed_out(_NAME, "the login of Codex in the vault cannot be read") from None

    async def _keep(self, tokens: _Tokens) -> None:
        await self._vault.set(_KEPT_AS, Secret(msgspec.json.encode(tokens).decode()))


def _credential(token: str, account: str) -> Credential:
    headers = {"originator": "carapax", "OpenAI-Beta": "responses=experimental"}
    if account:
        headers["chatgpt-account-id"] = account
    return Credential(Secret(token), headers)


def _claims(token: str) -> _Claims:
    """What a JSON web token says of itself. It is not checked: it only tells when to renew, and for which account."""
    try:
        payload = token.split(".")[1]
        return msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims, strict=False)
    except (IndexError, ValueError, *BROKEN_JSON):
        return _Claims()


def _refusal(told: Told) -> ModelError:
    if told.status not in _REFUSED:
        return told.unusable()
    error = as_error(told.read(dict[str, object]).get("error"))
    why = ": ".join(part for part in (error.code, error.message) if part) if error else "no reason was given"
    return signed_out(_NAME, f"OpenAI refused the sign-in: {told.words(why)}")


def _code(pasted: str, state: str) -> str:
    query = parse_qs(urlsplit(pasted.strip()).query)
    if "code" not in query:
        return pasted.strip()
    if query.get("state", [state]) != [state]:
        raise signed_out(_NAME, "what was pasted belongs to another sign-in")
    return query["code"][0]


async def _callback(port: int, state: str, timeout_s: float) -> str:
    """Wait for the browser to come back with the code. Raises ModelUnauthorized when it does not, or has a refusal."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def receive(request: web.Request) -> web.Response:
        if request.query.get("state") != state:
            return web.Response(status=400, text="This belongs to another sign-in.")
        if not came.done():
            if code := request.query.get("code"):
                came.set_result(code)
            else:
                why = request.query.get("error_description") or request.query.get("error") or "no code came"
                came.set_exception(signed_out(_NAME, f"the sign-in was refused: {why[:300]}"))
        return web.Response(text=_THANKS, content_type="text/html")

    app = web.Application()
    app.router.add_get(_CALLBACK, receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "localhost", port).start()
        async with asyncio.timeout(timeout_s):
            return await came
    except TimeoutError:
        raise signed_out(_NAME, "nobody came back from the sign-in in time") from None
    except OSError as error:
        raise ModelUnavailable(
            f"port {port}, where the browser comes back to, is taken",
            "end the program that has it, or paste the address that the browser shows in the end",
            vendor=_NAME,
        ) from error
    finally:
        await runner.cleanup()


EXTENSION = Codex
