"""A vendor that looks at keys: it speaks Chat Completions, and says what it is asked with."""

from types import TracebackType
from typing import Any

import msgspec
from aiohttp import web

BAD_KEY = "Incorrect API key provided: it is not one of ours."


class Vendor:
    """Takes the `keys` given, has the `models` given, and lists them to anybody when `open_list`. Without `lists` it
    has no list at all. `asked` are the paths with the keys they were asked with."""

    def __init__(
        self, *keys: str, models: tuple[str, ...] = ("gpt-5", "gpt-5-mini"), open_list: bool = False, lists: bool = True
    ) -> None:
        self.keys = set(keys)
        self.models = models
        self.asked: list[tuple[str, str]] = []
        self.url = ""
        self._open_list = open_list
        app = web.Application()
        if lists:
            app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> "Vendor":
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def _takes(self, request: web.Request) -> bool:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append((request.path, key))
        return key in self.keys

    async def _list(self, request: web.Request) -> web.Response:
        if not self._takes(request) and not self._open_list:
            return _error(401, BAD_KEY, "invalid_api_key")
        return web.json_response({"data": [{"id": model} for model in self.models]})

    async def _answer(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = msgspec.json.decode(await request.read())
        if not self._takes(request):
            return _error(401, BAD_KEY, "invalid_api_key")
        if body["model"] not in self.models:
            return _error(404, f"The model `{body['model']}` does not exist", "model_not_found")
        message = {"role": "assistant", "content": f"I am {body['model']}."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"id": "c", "model": body["model"], "choices": [choice]})


def _error(status: int, message: str, code: str) -> web.Response:
    return web.json_response({"error": {"message": message, "code": code}}, status=status)
