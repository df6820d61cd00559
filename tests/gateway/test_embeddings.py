from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from struct import pack
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from carapax.config import Config, ProviderConfig
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.api.real_models import gateway_on
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.fakes.wires.embeddings import vector
from tests.running import run


@asynccontextmanager
async def asking(gateway: GatewayClient) -> AsyncGenerator[AsyncOpenAI, None]:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as library:
        yield library


@asynccontextmanager
async def client(
    folder: Path, *answers: Answer
) -> AsyncGenerator[tuple[AsyncOpenAI, GatewayClient, ModelServer], None]:
    """The vendor's own library at a gateway, whose provider `mine` is Voyage in all but its address."""
    async with ModelServer(answers or (lambda received: Answer(input=7))) as server:
        mine = ProviderConfig(vendor="voyage", base_url=server.url)
        config = Config(providers={"mine": mine})
        async with gateway_on(folder, config, {"VOYAGE_API_KEY": "key"}) as gateway, asking(gateway) as library:
            yield library, gateway, server


def test_texts_are_embedded_by_the_provider_that_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with client(tmp_path) as (library, _, server):
            answer = await library.embeddings.create(model="mine/voyage-x", input=["one", "two"])
            assert [item.embedding for item in answer.data] == [vector("one"), vector("two")]
            assert [item.index for item in answer.data] == [0, 1]
            assert answer.model == "mine/voyage-x"
            assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (7, 7)
            [asked] = server.requests
            assert (asked.body["model"], asked.body["input_type"]) == ("voyage-x", "document")

    run(main())


def test_a_provider_alone_means_its_own_model(tmp_path: Path) -> None:
    async def main() -> None:
        async with client(tmp_path) as (library, _, server):
            answer = await library.embeddings.create(
                model="mine", input="one", dimensions=3, extra_body={"input_type": "query"}
            )
            assert answer.data[0].embedding == vector("one", 3)
            [asked] = server.requests
            assert (asked.body["model"], asked.body["input_type"]) == ("voyage-3.5", "query")

    run(main())


@pytest.mark.parametrize("form", ["float", "base64"])
def test_vectors_come_in_the_form_that_is_asked_for(tmp_path: Path, form: Any) -> None:
    async def main() -> Any:
        async with client(tmp_path) as (library, _, _server):
            return await library.embeddings.with_raw_response.create(model="mine", input="one", encoding_format=form)

    found = run(main()).http_response.json()["data"][0]["embedding"]
    numbers = vector("one")
    assert found == (numbers if form == "float" else b64encode(pack("<8f", *numbers)).decode())


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "mine", "input": [1, 2]}, 400, "tokens cannot be read"),
        ({"model": "mine", "input": [[1, 2]]}, 400, "tokens cannot be read"),
        ({"model": "mine", "input": []}, 400, "0 texts"),
        ({"model": "mine", "input": ["a"] * 2_049}, 400, "2049 texts"),
        ({"model": "mine", "input": ["a", ""]}, 400, "empty"),
        ({"model": "mine", "input": {"a": 1}}, 400, "empty or none"),
        ({"model": "mine", "input": "a", "encoding_format": "int8"}, 400, "int8"),
        ({"model": "mine", "input": "a", "dimensions": 0}, 400, "dimensions"),
        ({"model": "nobody/x", "input": "a"}, 404, "there is no provider 'nobody'"),
        ({"model": "", "input": "a"}, 404, "model"),
        ({"model": "anthropic", "input": "a"}, 404, "anthropic has no embeddings"),
        ({"model": "mistral", "input": "a"}, 502, "MISTRAL_API_KEY"),
        ({"model": "mine", "input": "a" * 1_000_001}, 413, "bytes"),
    ],
)
def test_what_cannot_be_embedded_is_told(tmp_path: Path, body: Any, status: int, words: str) -> None:
    async def main() -> openai.APIStatusError:
        async with client(tmp_path) as (library, _, _server):
            with pytest.raises(openai.APIStatusError) as caught:
                await library.embeddings.create(**body)
            return caught.value

    error = run(main())
    assert error.status_code == status
    assert words in error.message


def test_a_vendor_that_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    async def main() -> str:
        refused = Answer(status=400, body='{"detail":"Model x is not supported."}')
        async with client(tmp_path, refused) as (library, _, _server):
            with pytest.raises(openai.APIStatusError) as caught:
                await library.embeddings.create(model="mine/x", input="a")
            return caught.value.message

    assert "Model x is not supported." in run(main())


def test_only_who_may_write_may_embed() -> None:
    async def main() -> None:
        async with gateway_client() as gateway, asking(gateway) as library:
            _, reader = await gateway.services.tokens.create("reader", ("read",))
            with pytest.raises(openai.PermissionDeniedError):
                await library.with_options(api_key=reader.reveal()).embeddings.create(model="mine", input="a")

    run(main())


def test_it_is_asked_by_post() -> None:
    async def main() -> int:
        async with gateway_client() as gateway, gateway.http.get(f"{gateway.url}/v1/embeddings") as response:
            return response.status

    assert run(main()) == 405
