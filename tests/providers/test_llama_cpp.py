"""A real server of models, llama.cpp, behind the gateway, in each dialect that it speaks."""

import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from carapax.app import open_app, supervise
from carapax.config import AgentConfig, Config, GatewayConfig, Home, ProviderConfig
from carapax.gateway.server import open_gateway
from carapax.redaction import Secret
from tests.fakes.llama_cpp import serving
from tests.running import run


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if find_spec("xllamacpp") is None and not os.environ.get("CI"):
        pytest.skip("llama.cpp is not installed (pip install xllamacpp)")
    with serving() as address:
        yield address


@asynccontextmanager
async def gateway(home: Path, section: ProviderConfig) -> AsyncGenerator[tuple[ClientSession, str], None]:
    """A gateway whose only model is the server's, and its address."""
    agent = AgentConfig(model="lab", tools=(), max_output_tokens=24)
    config = Config(gateway=GatewayConfig(port=0), providers={"lab": section}, agents={"main": agent})
    async with (
        open_app(config, Home(home, home / "data"), environ={}) as services,
        open_gateway(services, supervise, local=Secret("local")) as opened,
        ClientSession() as http,
    ):
        yield http, f"http://127.0.0.1:{opened.port}"


async def ask(http: ClientSession, url: str, **fields: object) -> Any:
    body = {"model": "carapax/main", "messages": [{"role": "user", "content": "Say something."}], **fields}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json() if response.content_type == "application/json" else await response.text()


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic"])
@pytest.mark.parametrize("path", ["", "/", "/v1"])
def test_it_chats_through_the_gateway_in_each_dialect_that_it_speaks(
    server: str, tmp_path: Path, dialect: str, path: str
) -> None:
    async def main() -> None:
        section = ProviderConfig(dialect=dialect, base_url=server + path)
        async with gateway(tmp_path, section) as (http, url):
            said = await ask(http, url)
            assert said["choices"][0]["finish_reason"] in ("length", "stop")
            assert said["usage"]["completion_tokens"] in range(1, 25)
            assert said["choices"][0]["message"]["content"]
            streamed = await ask(http, url, stream=True)
            assert streamed.count("data: ") > 3
            assert streamed.rstrip().endswith("data: [DONE]")

    run(main())


def test_it_is_found_by_itself_and_named_by_its_row(server: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway(tmp_path, ProviderConfig(vendor="llamacpp", base_url=server)) as (http, url):
            assert (await ask(http, url))["choices"][0]["message"]["role"] == "assistant"

    run(main())
