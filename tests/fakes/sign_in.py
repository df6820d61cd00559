"""Servers of tokens for tests: GitHub's and OpenAI's, as they are on the wire."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web


def jwt(claims: dict[str, Any]) -> str:
    """A JSON web token with these claims, and a signature that nobody checks."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join([*(urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=").decode() for part in parts), "c2ln"])


class TokenServer:
    """Answers each path with what stands for it in `answers`, in turn, the last one again and again: a body, or a
    status and a body; an event delays the answer after it. `asked` are the requests by path, as the forms or JSON that
    came, `headers` what came with them."""

    def __init__(self, answers: dict[str, Iterable[Any]]) -> None:
        self.url = ""
        self.asked: dict[str, list[dict[str, str]]] = {path: [] for path in answers}
        self.headers: dict[str, list[dict[str, str]]] = {path: [] for path in answers}
        self._rest = {path: list(told) for path, told in answers.items()}

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path
        raw = await request.read()
        json = request.content_type == "application/json" and raw
        self.asked[path].append(msgspec.json.decode(raw) if json else dict(await request.post()))  # type: ignore[arg-type]  # no files come
        self.headers[path].append({name.lower(): value for name, value in request.headers.items()})
        rest = self._rest[path]
        told = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(told, asyncio.Event):
            await told.wait()
            told = rest.pop(0)
        status, body = told if isinstance(told, tuple) else (200, told)
        text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
        return web.Response(status=status, text=text, content_type="application/json")


@asynccontextmanager
async def token_server(answers: dict[str, Iterable[Any]]) -> AsyncIterator[TokenServer]:
    """A TokenServer that listens on a free port of the loopback address."""
    server = TokenServer(answers)
    app = web.Application()
    for path in answers:
        app.router.add_route("*", path, server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


DEVICE_CODE = {
    "device_code": "3584d83530557fdd1f46af8289938c8ef79f9dc5",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://github.com/login/device",
    "expires_in": 900,
    "interval": 0,
}
PENDING = {
    "error": "authorization_pending",
    "error_description": "The authorization request is still pending.",
    "error_uri": "https://docs.github.com/developers/apps/authorizing-oauth-apps#error-codes-for-the-device-flow",
}
SLOW_DOWN = {**PENDING, "error": "slow_down", "error_description": "Too many requests have been made.", "interval": 0}
GRANTED = {"access_token": "ghu_16C7e42F292c6912E7710c838347Ae178B4a", "token_type": "bearer", "scope": ""}


def copilot_key(
    number: int = 1, *, expires_at: int = 1_800_000_000, api: str = "https://api.example"
) -> dict[str, Any]:
    """The answer of `copilot_internal/v2/token`, shortened."""
    return {
        "chat_enabled": True,
        "endpoints": {"api": api, "telemetry": "https://telemetry.example"},
        "expires_at": expires_at,
        "refresh_in": 1500,
        "sku": "monthly_subscriber_quota",
        "token": f"tid=key{number};exp={expires_at}",
    }


def codex_tokens(number: int = 1, *, iat: int = 1_000_000_000, life: int = 864_000) -> dict[str, Any]:
    """The answer of `oauth/token`, shortened."""
    account = {"https://api.openai.com/auth": {"chatgpt_account_id": "acc-1", "chatgpt_plan_type": "plus"}}
    return {
        "access_token": jwt({"iat": iat, "exp": iat + life, "jti": str(number), **account}),
        "id_token": jwt({"iat": iat, "exp": iat + 3600, **account}),
        "refresh_token": f"rt_{number}",
        "token_type": "bearer",
    }
