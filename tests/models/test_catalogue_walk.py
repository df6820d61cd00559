"""Every vendor of the catalogue is asked, at a server of our own: where exactly, with which headers, and for what."""

import re
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from aiohttp import web
from msgspec import Struct

from carapax.config import ProviderConfig
from carapax.contracts import Provider
from carapax.errors import ConfigError
from carapax.extensions import configure, find
from carapax.http import Http
from carapax.messages import AssistantMessage, ModelRequest, ToolSpec, UserMessage
from carapax.models.catalogue import Vendor, resolve, vendors
from carapax.models.keys import Keys
from carapax.models.opening import open_provider
from carapax.testing import FakeClock, MemoryVault
from tests.fakes.answer import Answer
from tests.fakes.model_server import WIRES
from tests.fakes.sign_in import copilot_key
from tests.running import run

KEY = "sk-walk-0123456789"
BEARER = {"authorization": f"Bearer {KEY}"}
SENT_ANYWAY = {"host", "user-agent", "accept", "accept-encoding", "content-length", "content-type"}


class Place(Struct, frozen=True):
    """Where a vendor is asked: `root` with `base` is what all addresses begin with; `chat`, `stream` and `models` are
    what follows, `headers` what comes along besides what each request has."""

    root: str
    base: str
    chat: str = "/chat/completions"
    stream: str = ""
    models: tuple[str, ...] = ("/models",)
    headers: dict[str, str] = msgspec.field(default_factory=lambda: BEARER)


ANTHROPIC = {"anthropic-version": "2023-06-01", "x-api-key": KEY}
COPILOT = {
    **BEARER,
    "editor-version": "vscode/1.107.0",
    "editor-plugin-version": "copilot-chat/0.35.0",
    "copilot-integration-id": "vscode-chat",
}
CODEX = {**BEARER, "chatgpt-account-id": "acc-1", "originator": "carapax", "openai-beta": "responses=experimental"}
CLAUDE_CODE = {**BEARER, "anthropic-version": "2023-06-01", "anthropic-beta": "oauth-2025-04-20"}

# As the vendors' own pages have it.
PLACES = {
    "anthropic": Place("https://api.anthropic.com", "/v1", "/messages", headers=ANTHROPIC),
    "openai": Place("https://api.openai.com", "/v1", "/responses"),
    "gemini": Place(
        "https://generativelanguage.googleapis.com",
        "/v1beta",
        "/models/m-1:generateContent",
        "/models/m-1:streamGenerateContent?alt=sse",
        ("/models?pageSize=1000",),
        {"x-goog-api-key": KEY},
    ),
    "openrouter": Place("https://openrouter.ai", "/api/v1"),
    "xai": Place("https://api.x.ai", "/v1"),
    "azure": Place("https://{resource}.openai.azure.com", "/openai/v1", headers={"api-key": KEY}),
    "mistral": Place("https://api.mistral.ai", "/v1"),
    "groq": Place("https://api.groq.com", "/openai/v1"),
    "deepseek": Place("https://api.deepseek.com", "/v1"),
    "cerebras": Place("https://api.cerebras.ai", "/v1"),
    "huggingface": Place("https://router.huggingface.co", "/v1"),
    "zai": Place("https://api.z.ai", "/api/paas/v4"),
    "crusoe": Place("https://api.inference.crusoecloud.com", "/v1"),
    "together": Place("https://api.together.ai", "/v1"),
    "fireworks": Place("https://api.fireworks.ai", "/inference/v1"),
    "nvidia": Place("https://integrate.api.nvidia.com", "/v1"),
    "venice": Place("https://api.venice.ai", "/api/v1"),
    "perplexity": Place("https://api.perplexity.ai", ""),
    "moonshot": Place("https://api.moonshot.cn", "/v1"),
    "moonshot_ai": Place("https://api.moonshot.ai", "/v1"),
    "minimax": Place("https://api.minimax.io", "/v1"),
    "qwen": Place("https://dashscope-intl.aliyuncs.com", "/compatible-mode/v1"),
    "yi": Place("https://api.lingyiwanwu.com", "/v1"),
    "cohere": Place("https://api.cohere.com", "", "/v2/chat", models=("/v1/models?endpoint=chat&page_size=1000",)),
    "falcon": Place("https://api.ai71.ai", "/v1"),
    "jais": Place("https://api.core42.ai", "/v1"),
    "sansa": Place("https://api.sansaml.com", "/v1"),
    "bedrock": Place(
        "https://bedrock-runtime.eu-central-1.amazonaws.com",
        "",
        "/model/m-1/converse",
        "/model/m-1/converse-stream",
        ("/foundation-models", "/inference-profiles?maxResults=1000"),
    ),
    "ollama": Place("http://127.0.0.1:11434", "/api", "/chat", models=("/tags", "/show")),
    "lmstudio": Place("http://127.0.0.1:1234", "/v1"),
    "vllm": Place("http://127.0.0.1:8000", "/v1"),
    "llamacpp": Place("http://127.0.0.1:8080", "/v1"),
    "copilot": Place("https://api.githubcopilot.com", "", headers=COPILOT),
    "codex": Place(
        "https://chatgpt.com",
        "/backend-api/codex",
        "/responses",
        models=("/models?client_version=1.0.0",),
        headers=CODEX,
    ),
    "claude_code": Place("https://api.anthropic.com", "/v1", "/messages", headers=CLAUDE_CODE),
}
SPOKEN = [name for name, vendor in vendors().items() if vendor.dialect not in ("", "demo", "litellm")]


class Seen(Struct, frozen=True):
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class WalkServer:
    """Speaks every dialect, lists one model in all of their ways, and remembers what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body: dict[str, Any] = msgspec.json.decode(raw) if raw else {}
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in SENT_ANYWAY}
        if request.path == "/copilot_internal/v2/token":
            return web.json_response({**copilot_key(api=""), "token": KEY})
        self.seen.append(Seen(request.method, request.path_qs, headers, body))
        wire = next((wire for wire in WIRES if re.fullmatch(wire.path, request.path[1:])), None)
        if request.method == "GET" or wire is None:
            return web.json_response(LISTED)
        model = wire.model(request.path_qs, body)
        if not wire.streamed(request.path_qs, body):
            return web.Response(body=wire.whole(Answer("hello"), model), content_type="application/json")
        events = b"".join(wire.events(Answer("hello"), model))
        return web.Response(body=events, headers={"Content-Type": wire.content_type})


LISTED: dict[str, Any] = {
    "data": [{"id": "m"}],
    "models": [{"name": "m", "slug": "m", "supportedGenerationMethods": ["generateContent"]}],
    "modelSummaries": [
        {
            "modelId": "m",
            "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["ON_DEMAND"],
            "modelLifecycle": {"status": "ACTIVE"},
        }
    ],
    "inferenceProfileSummaries": [],
}


@asynccontextmanager
async def walk_server() -> AsyncIterator[WalkServer]:
    server = WalkServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def keys(vendor: Vendor, server: str) -> Keys:
    """Such as the owner of a key, or of the login, has."""
    codex = msgspec.json.encode({"access_token": KEY, "account_id": "acc-1", "renew_at": 4e9}).decode()
    environ = {
        vendor.key_env or "NO_KEY": KEY,
        "CLAUDE_CODE_OAUTH_TOKEN": KEY,
        "COPILOT_GITHUB_API_URL": server,
        "AWS_REGION": "eu-central-1",
    }
    return Keys(MemoryVault({"login:copilot": "ghu_1", "login:codex": codex}), environ)


@asynccontextmanager
async def opened(server: WalkServer, name: str, base_url: str) -> AsyncIterator[Provider]:
    """The vendor of this name at another address."""
    section = ProviderConfig(vendor=name, base_url=base_url)
    async with Http() as http:
        yield await open_provider(name, section, http, keys(resolve(name, section), server.url), FakeClock())


async def asked(server: WalkServer, name: str, base_url: str, *, stream: bool) -> Seen:
    """What the vendor is asked for an answer."""
    tool = ToolSpec("look", "looks", {"type": "object", "properties": {}})
    tools = (tool,) if vendors()[name].tools == "native" else ()
    request = ModelRequest("m-1", (UserMessage("hi"),), tools=tools, max_output_tokens=9, stream=stream)
    async with opened(server, name, base_url) as provider:
        *_, message = [item async for item in provider.stream(request)]
    assert isinstance(message, AssistantMessage)
    assert (message.text, message.provider) == ("hello", name)
    return server.seen[-1]


def spellings(place: Place, row: Vendor) -> list[str]:
    """The paths that a base URL may have: with and without what the vendor's has, the version, and a slash; or the
    whole address that is asked, where that names no model."""
    paths = {"", urlsplit(row.base_url).path.rstrip("/"), place.base}
    whole = {place.base + place.chat} if "m-1" not in place.chat else set()
    return sorted({path + slash for path in paths for slash in ("", "/")} | whole)


def test_every_vendor_has_its_place() -> None:
    assert set(PLACES) == set(SPOKEN)


@pytest.mark.parametrize("name", SPOKEN)
def test_the_server_of_a_vendor_is_where_its_pages_say(name: str) -> None:
    row, place = vendors()[name], PLACES[name]
    found = row.base_url.replace("{region}", "eu-central-1").rstrip("/")
    assert place.root + place.base in (found, f"{found}/v1", f"{found}/v1beta", f"{found}/api")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", SPOKEN)
def test_a_vendor_is_asked_at_the_right_address_however_its_base_url_is_spelt(name: str, stream: bool) -> None:
    place = PLACES[name]

    async def main() -> None:
        async with walk_server() as server:
            for path in spellings(place, vendors()[name]):
                seen = await asked(server, name, server.url + path, stream=stream)
                chat = (stream and place.stream) or place.chat
                assert (seen.method, seen.path, seen.headers) == ("POST", place.base + chat, place.headers), path

    run(main())


@pytest.mark.parametrize("name", SPOKEN)
def test_a_vendor_lists_its_models_at_the_right_address(name: str) -> None:
    place = PLACES[name]

    async def main() -> None:
        async with walk_server() as server, opened(server, name, f"{server.url}/") as provider:
            assert [model.name for model in await provider.models()] == ["m"]
            assert [seen.path for seen in server.seen] == [place.base + path for path in place.models]
            assert all(seen.headers == place.headers for seen in server.seen)

    run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [name for name in SPOKEN if vendors()[name].dialect == "openai_chat"])
def test_what_all_speakers_of_chat_completions_get(name: str, stream: bool) -> None:
    """The accents of each, as its own pages have it, and nothing else."""
    function = {"name": "look", "description": "looks", "parameters": {"type": "object", "properties": {}}}
    newer = {"azure", "xai", "groq", "cerebras", "venice"}
    uncounted = {"mistral", "perplexity", "yi", "falcon", "jais", "sansa"}
    untooled = {"perplexity", "falcon", "jais"}
    thinks: dict[str, dict[str, Any]] = {
        "deepseek": {"thinking": {"type": "disabled"}},
        "qwen": {"enable_thinking": False},
    }
    thinks["zai"] = thinks["deepseek"]

    async def main() -> None:
        async with walk_server() as server:
            assert (await asked(server, name, server.url, stream=stream)).body == {
                "model": "m-1",
                "messages": [{"role": "user", "content": "hi"}],
                "stream": stream,
                "max_completion_tokens" if name in newer else "max_tokens": 9,
                **({} if name in untooled else {"tools": [{"type": "function", "function": function}]}),
                **({"stream_options": {"include_usage": True}} if stream and name not in uncounted else {}),
                **thinks.get(name, {}),
            }

    run(main())


def test_a_deployment_at_azure_may_be_named_by_its_old_address() -> None:
    async def main() -> None:
        async with walk_server() as server:
            url = f"{server.url}/openai/deployments/ours/chat/completions?api-version=2024-10-21"
            seen = await asked(server, "azure", url, stream=False)
            assert seen.path == "/openai/deployments/ours/chat/completions?api-version=2024-10-21"
            async with opened(server, "azure", url) as provider:
                await provider.models()
            assert server.seen[-1].path == "/openai/models?api-version=2024-10-21"

    run(main())


@pytest.mark.parametrize("row", ['dialekt = "x"', 'accent = "x"', "local = 1"])
def test_a_row_with_an_unknown_field_is_refused(row: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(tomllib.loads(row), Vendor)


@pytest.mark.parametrize("name", SPOKEN)
def test_an_accent_that_the_dialect_does_not_know_is_refused(name: str) -> None:
    row = vendors()[name]
    with pytest.raises(ConfigError, match="accent_of_nobody"):
        configure("provider", name, find("provider", row.dialect), {**row.accent, "accent_of_nobody": 1})


def test_a_vendor_without_models_to_talk_to_says_so() -> None:
    async def main() -> None:
        async with Http() as http:
            await open_provider("voyage", None, http, keys(vendors()["voyage"], ""), FakeClock())

    with pytest.raises(ConfigError, match="voyage has embeddings, and no models to talk to"):
        run(main())
    with pytest.raises(ConfigError, match="brave has a web search, and no models to talk to"):
        run(open_provider("brave", None, Http(), keys(vendors()["brave"], ""), FakeClock()))


def test_a_row_costs_no_import() -> None:
    """All of them are read, and one is resolved, without any dialect, login or HTTP client."""
    code = """
import sys
from carapax.models.catalogue import resolve, vendors
before = set(sys.modules)
assert len(vendors()) > 30
resolve("azure", None)
print(sorted(set(sys.modules) - before))
print([name for name in sys.modules if name.split(".")[0] in ("aiohttp", "cryptography")
       or name.startswith(("carapax.providers", "carapax.logins", "carapax.embedders", "carapax.searchers",
                           "carapax.http"))])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n[]\n"
