import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

import pytest

from carapax.agent.models import Means, Models, open_models, parse_model
from carapax.config import Config, ProviderConfig
from carapax.contracts import Spender
from carapax.errors import ConfigError, ModelRejected, ModelUnauthorized, NotFound
from carapax.http import Http
from carapax.messages import AssistantMessage, ModelRequest, ToolSpec, UserMessage
from carapax.models.detection import Detected
from carapax.models.facts import FactBook
from carapax.models.keys import Keys
from carapax.redaction import Secret
from carapax.testing import FakeClock, MemoryVault
from tests.agent.forgetful import healthy
from tests.fakes.answer import Answer as ServerAnswer
from tests.fakes.model_server import ModelServer
from tests.running import run


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("openai/gpt-x", ("openai", "gpt-x")),
        ("openrouter/anthropic/claude:free", ("openrouter", "anthropic/claude:free")),
        ("ollama", ("ollama", "")),
        (" demo/demo ", ("demo", "demo")),
    ],
)
def test_a_name_is_parted_at_its_first_slash(name: str, parts: tuple[str, str]) -> None:
    assert parse_model(name) == parts


def models(
    detected: Detected,
    sections: dict[str, ProviderConfig] | None = None,
    http: Http | None = None,
    environ: dict[str, str] | None = None,
    chains: Mapping[str, Sequence[str]] | None = None,
) -> Models:
    environ = {"OPENAI_API_KEY": "k"} if environ is None else environ
    keys, known = Keys(MemoryVault(), environ), FactBook(sections or {}, {})
    means = Means(http or Http(), keys, FakeClock(), healthy(), known)
    return Models(sections or {}, chains or {}, means, detected)


AUTO = Detected("openai", "gpt-x", "OPENAI_API_KEY is set")


@pytest.mark.parametrize(
    ("model", "chosen", "why"),
    [
        ("auto", "openai/gpt-x", "OPENAI_API_KEY is set"),
        ("", "openai/gpt-x", "OPENAI_API_KEY is set"),
        ("openai/gpt-y", "openai/gpt-y", "chosen in the configuration"),
        ("demo", "demo/demo", "chosen in the configuration"),
        ("mine", "mine/m", "chosen in the configuration"),
        ("ollama", "ollama", "chosen in the configuration"),
        ("nobody/x", "nobody/x", "chosen in the configuration"),
        ("fast", "fast", "the chain openai/a, then mine"),
    ],
)
def test_a_choice_is_described_with_its_reason(model: str, chosen: str, why: str) -> None:
    sections = {"mine": ProviderConfig(base_url="http://mine", default_model="m")}
    assert models(AUTO, sections, chains={"fast": ("openai/a", "mine")}).describe(model) == (chosen, why)


def test_each_provider_is_opened_once() -> None:
    async def main() -> None:
        environ = {"OPENAI_API_KEY": "k"}
        found = models(AUTO, environ=environ)
        provider, model = await found.open("auto")
        assert (provider.name, model) == ("openai", "gpt-x")
        environ.clear()
        provider, model = await found.open("openai/gpt-y", Spender("main", "s", "r"))
        assert (provider.name, model) == ("openai", "gpt-y")

    run(main())


def test_a_provider_without_a_default_has_its_first_model() -> None:
    async def main() -> None:
        async with ModelServer(models=["nomic-embed-text", "llama3"]) as server, Http() as http:
            found = models(AUTO, {"mine": ProviderConfig(base_url=server.url)}, http)
            assert (await found.open("mine"))[1] == "llama3"
        async with ModelServer(models=[]) as server, Http() as http:
            with pytest.raises(ModelRejected, match="mine has no model"):
                await models(AUTO, {"mine": ProviderConfig(base_url=server.url)}, http).open("mine")

    run(main())


def test_each_embedder_is_opened_once_and_knows_its_model() -> None:
    async def main() -> None:
        sections = {"mine": ProviderConfig(base_url="http://mine")}
        environ = {"OPENAI_API_KEY": "k"}
        found = models(AUTO, sections, environ=environ)
        first, model = await found.embedder("openai")
        assert (first.name, model) == ("openai", "text-embedding-3-small")
        environ.clear()
        again, model = await found.embedder("openai/other")
        assert (again, model) == (first, "other")
        assert (await found.embedder("mine/a/b"))[1] == "a/b"
        with pytest.raises(ModelRejected, match="mine has no model of its own for embeddings"):
            await found.embedder("mine")
        with pytest.raises(ConfigError, match="anthropic has no embeddings"):
            await found.embedder("anthropic/x")
        with pytest.raises(ConfigError, match="there is no provider 'nobody'"):
            await found.embedder("nobody")

    run(main())


def test_what_cannot_be_opened_is_told_by_name() -> None:
    with pytest.raises(ConfigError, match="there is no provider 'nobody'"):
        run(models(AUTO).open("nobody/x"))
    with pytest.raises(ModelUnauthorized, match="MISTRAL_API_KEY"):
        run(models(AUTO).open("mistral"))


def test_at_start_the_first_model_that_is_found_becomes_the_choice() -> None:
    async def main() -> None:
        async with ModelServer([ServerAnswer("hello")], models=["llama3"]) as server, Http() as http:
            means = Means(http, Keys(MemoryVault(), {}), FakeClock(), healthy(), FactBook({}, {}))
            found = await open_models(Config(), means, local={"ollama": server.url})
            assert found.describe("auto") == ("ollama/llama3", f"ollama answers at {server.url}")

    run(main())


def test_a_server_that_was_started_later_takes_the_place_of_the_demo_when_it_is_looked_for_again() -> None:
    async def main() -> None:
        async with ModelServer([ServerAnswer("hello")], models=["llama3"]) as server, Http() as http:
            means = Means(http, Keys(MemoryVault(), {}), FakeClock(), healthy(), FactBook({}, {}))
            found = Models({}, {}, means, Detected("demo", "demo", "none was there"), local={"ollama": server.url})
            await found.look_again()
            assert found.detected() == Detected("ollama", "llama3", f"ollama answers at {server.url}")
            chosen = models(AUTO, http=http)
            await chosen.look_again()
            assert chosen.detected() == AUTO

    run(main())


def test_a_chain_goes_on_where_one_cannot_be_opened_and_the_message_names_who_answered() -> None:
    async def main() -> None:
        async with ModelServer([ServerAnswer("hello")]) as server, Http() as http:
            sections = {"mine": ProviderConfig(base_url=server.url, default_model="m")}
            chain = ("nobody/x", "mistral/y", "mine")
            provider, model = await models(AUTO, sections, http, chains={"fast": chain}).open("fast")
            assert (provider.name, model) == ("fast", "fast")
            said = [item async for item in provider.stream(ModelRequest(model, (UserMessage("hi"),)))]
            assert isinstance(answer := said[-1], AssistantMessage)
            assert (answer.text, answer.provider, answer.model) == ("hello", "mine", "m")
            assert [info.name for info in await provider.models()] == ["nobody/x", "mistral/y", "mine/m"]

    run(main())


@pytest.mark.parametrize(
    ("mode", "sent", "called"), [("native", True, False), ("text", False, True), ("off", False, False)]
)
def test_a_provider_says_how_its_models_call_tools(
    mode: Literal["native", "text", "off"], sent: bool, called: bool
) -> None:
    async def main() -> None:
        block = '```tool_call\n{"name": "look"}\n```'
        async with ModelServer([ServerAnswer(block)]) as server, Http() as http:
            found = models(AUTO, {"mine": ProviderConfig(base_url=server.url, default_model="m", tools=mode)}, http)
            provider, model = await found.open("mine")
            request = ModelRequest(model, (UserMessage("hi"),), tools=(ToolSpec("look", "Look.", {"type": "object"}),))
            answer = [item async for item in provider.stream(request)][-1]
            assert isinstance(answer, AssistantMessage)
            assert ("tools" in server.requests[0].body, bool(answer.tool_calls)) == (sent, called)

    run(main())


def test_a_local_server_says_how_much_its_models_take() -> None:
    async def main() -> None:
        served = [{"id": "bge-small", "max_model_len": 512}, {"id": "tiny", "max_model_len": 4096}]
        async with ModelServer((), models=served) as server, Http() as http:
            section = ProviderConfig(vendor="vllm", base_url=server.url)
            found = models(AUTO, {"lab": section}, http)
            sizes = [await found.context_tokens(name) for name in ("lab/tiny", "lab", "lab/none")]
            assert sizes == [4096, 4096, 128_000]
        async with Http() as http:
            assert await models(AUTO, {"lab": section}, http).context_tokens("lab/tiny") == 128_000

    run(main())


class HeldVault(MemoryVault):
    """A vault that answers only when it is let go, with what it had when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def get(self, name: str) -> Secret | None:
        found = await super().get(name)
        self.asked.set()
        await self.let_go.wait()
        return found


def test_a_provider_that_was_being_opened_when_its_key_changed_is_opened_anew() -> None:
    async def main() -> list[str]:
        async with ModelServer() as server, Http() as http, asyncio.TaskGroup() as tasks:
            section, vault = ProviderConfig(base_url=server.url), HeldVault()
            await vault.set("provider:mine", Secret("old"))
            means = Means(http, Keys(vault, {}), FakeClock(), healthy(), FactBook({}, {}))
            found = Models({"mine": section}, {}, means, AUTO)
            opening = tasks.create_task(found.open("mine/m"))
            await vault.asked.wait()
            await vault.set("provider:mine", Secret("new"))
            vault.let_go.set()
            await found.renew("mine")
            for provider, model in (await opening, await found.open("mine/m")):
                request = ModelRequest(model, (UserMessage("hi"),))
                assert [item async for item in provider.stream(request)]
            return [received.headers["authorization"] for received in server.requests]

    assert run(main()) == ["Bearer old", "Bearer new"]


def test_what_begins_with_the_name_of_a_chain_is_no_model() -> None:
    found = models(AUTO, chains={"fast": ("openai/a",)})
    found.check("fast")
    with pytest.raises(NotFound, match="there is no provider 'fast'"):
        found.check("fast/a")
