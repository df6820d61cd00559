import msgspec
import pytest

from carapax.config import ProviderConfig
from carapax.contracts import Embeddings
from carapax.errors import ConfigError, ModelUnauthorized
from carapax.http import Http
from carapax.messages import AssistantMessage, ModelRequest, Usage, UserMessage
from carapax.models.catalogue import vendors
from carapax.models.keys import Keys
from carapax.models.opening import open_embedder, open_provider
from carapax.testing import FakeClock, MemoryVault
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.fakes.wires.embeddings import vector
from tests.running import run


def test_an_unknown_dialect_is_named() -> None:
    section = ProviderConfig(base_url="http://x", dialect="klingon")
    with pytest.raises(ConfigError, match="there is no provider 'klingon'"):
        run(open_provider("mine", section, Http(), Keys(MemoryVault(), {}), FakeClock()))


@pytest.mark.parametrize(
    "environ", [{}, {"OPENAI_API_KEY": " "}, {"OPENAI_API_KEY": "a\nb"}, {"OPENAI_API_KEY": "kéy"}]
)
def test_a_key_that_is_missing_or_impossible_is_asked_for_by_name(environ: dict[str, str]) -> None:
    with pytest.raises(ModelUnauthorized, match="OPENAI_API_KEY"):
        run(open_provider("openai", None, Http(), Keys(MemoryVault(), environ), FakeClock()))


def test_a_section_is_all_that_a_server_of_ones_own_needs() -> None:
    async def main() -> None:
        for dialect, header in (("openai_chat", "authorization"), ("anthropic", "x-api-key")):
            async with ModelServer([Answer("hello")]) as server, Http() as http:
                section = ProviderConfig(base_url=server.url, dialect=dialect, key_env="MY_KEY")
                keys = Keys(MemoryVault(), {"MY_KEY": " secret\n"})
                provider = await open_provider("mine", section, http, keys, FakeClock())
                request = ModelRequest("m", (UserMessage("hi"),), stream=False)
                [message] = [item async for item in provider.stream(request)]
                assert isinstance(message, AssistantMessage)
                assert (message.provider, message.model, message.text) == ("mine", "m", "hello")
                assert server.requests[0].headers[header] in ("Bearer secret", "secret")

    run(main())


@pytest.mark.parametrize(
    ("section", "path"),
    [
        (ProviderConfig(), "/v1/embeddings"),
        (ProviderConfig(dialect="ollama"), "/api/embed"),
        (ProviderConfig(dialect="cohere"), "/v2/embed"),
        (ProviderConfig(dialect="gemini"), "/v1beta/models/m:batchEmbedContents"),
        (ProviderConfig(vendor="voyage"), "/v1/embeddings"),
    ],
)
def test_a_provider_has_the_embeddings_of_its_language(section: ProviderConfig, path: str) -> None:
    async def main() -> None:
        async with ModelServer([Answer()]) as server, Http() as http:
            keys = Keys(MemoryVault(), {"MY_KEY": "secret"})
            mine = msgspec.structs.replace(section, base_url=server.url, key_env="MY_KEY")
            embedder = await open_embedder("mine", mine, http, keys, FakeClock())
            assert embedder.name == "mine"
            assert await embedder.embed(["a"], "m", purpose="query") == Embeddings(
                (tuple(vector("a")),), "m", Usage(input=10)
            )
            assert server.requests[0].path == path

    run(main())


def test_a_provider_without_embeddings_says_who_has_some() -> None:
    with pytest.raises(ConfigError, match="anthropic has no embeddings") as raised:
        run(open_embedder("anthropic", None, Http(), Keys(MemoryVault(), {}), FakeClock()))
    assert "voyage" in raised.value.hint
    with pytest.raises(ModelUnauthorized, match="VOYAGE_API_KEY"):
        run(open_embedder("voyage", None, Http(), Keys(MemoryVault(), {}), FakeClock()))


def test_every_row_with_embeddings_can_be_opened() -> None:
    async def main() -> None:
        environ = {row.key_env: "key" for row in vendors().values() if row.key_env}
        environ |= {row.base_url_env: "https://host.example" for row in vendors().values() if row.base_url_env}
        keys = Keys(MemoryVault(), environ)
        for name, row in vendors().items():
            if row.embedding:
                assert (await open_embedder(name, None, Http(), keys, FakeClock())).name == name

    run(main())
