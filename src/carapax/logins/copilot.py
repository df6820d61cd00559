"""GitHub Copilot: a person signs in at GitHub by a code, and the token of that gets keys that last half an hour.

The sign-in: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps#device-flow. How a
key is had is not documented by GitHub; this is how its own editor extensions do.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from carapax.clock import Clock
from carapax.contracts import SecretStore
from carapax.errors import ModelUnauthorized, ModelUnavailable
from carapax.http import Http
from carapax.models.credential import Credential
from carapax.models.login import Challenge, SingleFlight, Told, ask, signed_out
from carapax.redaction import Secret

_NAME = "copilot"
_KEPT_AS = "login:copilot"

# GitHub gives keys to its own clients only: this is the one of its editor extension. COPILOT_CLIENT_ID replaces it.
_CLIENT_ID = "Iv1.b507a08c87ecfe98"
_CLIENT = {
    "Editor-Version": "vscode/1.107.0",
    "Editor-Plugin-Version": "copilot-chat/0.35.0",
    "Copilot-Integration-Id": "vscode-chat",
}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_S = 5
_EARLY_S = 120
_LEAST_LIFE_S = 60


class _Device(Struct):
    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int = 900
    interval: int = 5


class _Granted(Struct):
    access_token: str = ""
    error: str = ""
    error_description: str = ""
    interval: int | None = None


class _Waiting(Struct):
    device_code: str
    interval: int


class _Endpoints(Struct):
    api: str = ""


class _Key(Struct):
    token: str
    expires_at: int = 0
    refresh_in: int = 1500
    endpoints: _Endpoints = msgspec.field(default_factory=_Endpoints)


class _Details(Struct):
    message: str = ""


class _Denied(Struct):
    message: str = ""
    error_details: _Details | None = None


class _Held(Struct, frozen=True):
    credential: Credential
    renew_at: float


class Copilot:
    """The login of GitHub Copilot. COPILOT_CLIENT_ID, COPILOT_GITHUB_URL and COPILOT_GITHUB_API_URL in the environment
    say otherwise who asks and where, as GitHub Enterprise needs it."""

    def __init__(
        self, vault: SecretStore, http: Http, clock: Clock, environ: Mapping[str, str], home_dir: Path
    ) -> None:
        self._vault = vault
        self._http = http
        self._clock = clock
        self._client_id = environ.get("COPILOT_CLIENT_ID", _CLIENT_ID)
        self._github = environ.get("COPILOT_GITHUB_URL", "https://github.com").rstrip("/")
        self._api = environ.get("COPILOT_GITHUB_API_URL", "https://api.github.com").rstrip("/")
        self._held: _Held | None = None
        self._flight: SingleFlight[_Held] = SingleFlight()

    async def begin(self) -> Challenge:
        form = {"client_id": self._client_id, "scope": "read:user"}
        told = await self._post("/login/device/code", form, Secret(""))
        if told.status != 200:
            raise told.unusable()
        device = told.read(_Device)
        waiting = msgspec.json.encode(_Waiting(device.device_code, max(device.interval, 0))).decode()
        expires_at = self._clock.now() + device.expires_in
        return Challenge(device.verification_uri, device.user_code, expires_at, Secret(waiting))

    async def finish(self, challenge: Challenge, pasted: str = "") -> None:
        """Nothing is to be pasted here."""
        waiting = msgspec.json.decode(challenge.kept.reveal(), type=_Waiting)
        form = {"client_id": self._client_id, "device_code": waiting.device_code, "grant_type": _GRANT}
        interval: float = waiting.interval
        while self._clock.now() < challenge.expires_at:
            await asyncio.sleep(interval)
            told = await self._post("/login/oauth/access_token", form, Secret(waiting.device_code))
            granted = told.read(_Granted)
            if granted.access_token:
                await self._vault.set(_KEPT_AS, Secret(granted.access_token))
                self._held = None
                return
            if granted.error == "slow_down":
                interval = interval + _SLOWER_S if granted.interval is None else granted.interval
            elif granted.error != "authorization_pending":
                raise _not_granted(granted.error, told.words(granted.error_description or granted.error))
        raise _not_granted("expired_token")

    async def get(self) -> Credential:
        held = self._held
        if held is None or self._clock.now() >= held.renew_at:
            try:
                held = await self._flight(self._exchange)
            except ModelUnavailable:
                if held is None or self._clock.now() >= held.renew_at + _EARLY_S:
                    raise
        return held.credential

    async def renew(self, refused: Credential) -> Credential:
        if self._held and self._held.credential.key != refused.key:
            return self._held.credential
        return (await self._flight(self._exchange)).credential

    async def _exchange(self) -> _Held:
        """A new key. How long it lasts is counted from now: the clock here may not be that of GitHub."""
        token = await self._vault.get(_KEPT_AS)
        if token is None:
            raise signed_out(_NAME, "nobody is signed in to GitHub Copilot")
        headers = {"Authorization": f"token {token.reveal()}", **_CLIENT}
        told = await ask(_NAME, self._http, "GET", f"{self._api}/copilot_internal/v2/token", token, headers)
        if told.status != 200:
            _refuse(told)
        key = told.read(_Key)
        life = max(key.refresh_in - _EARLY_S, _LEAST_LIFE_S)
        credential = Credential(Secret(key.token), _CLIENT, key.endpoints.api)
        self._held = _Held(credential, self._clock.now() + life)
        return self._held

    async def _post(self, path: str, form: Mapping[str, str], secret: Secret) -> Told:
        return await ask(_NAME, self._http, "POST", self._github + path, secret, _FORM, urlencode(form).encode())


def _refuse(told: Told) -> NoReturn:
    if told.status == 401:
        raise signed_out(_NAME, "GitHub has ended the sign-in of Copilot")
    if told.status not in (403, 404):
        raise told.unusable()
    denied = told.read(_Denied)
    why = (denied.error_details or _Details()).message or denied.message or "no reason was given"
    raise ModelUnauthorized(
        f"GitHub gives no key for Copilot: {told.words(why)}",
        "check that this account has Copilot: https://github.com/settings/copilot",
        vendor=_NAME,
        status=told.status,
    )


def _not_granted(error: str, words: str = "") -> ModelUnauthorized:
    known = {
        "expired_token": "the code was not typed in time",
        "access_denied": "the sign-in was cancelled at GitHub",
    }
    why = known.get(error) or f"GitHub refused the sign-in: {words}"
    return signed_out(_NAME, why)


EXTENSION = Copilot
