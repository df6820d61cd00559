import pytest

from carapax.config import ProviderConfig
from carapax.errors import ConfigError, ModelUnauthorized
from carapax.http import Http
from carapax.messages import AssistantMessage, ModelRequest, UserMessage
from carapax.models.keys import Keys
from carapax.models.opening import open_provider
from carapax.testing import FakeClock, MemoryVault
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
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
