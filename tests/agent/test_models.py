import asyncio
from typing import Any

import pytest

from carapax.agent.models import Models, Retrying, open_models, parse_model
from carapax.config import ProviderConfig
from carapax.contracts import Spender
from carapax.errors import (
    ConfigError,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
)
from carapax.events import StreamReset, TextDelta
from carapax.http import Http
from carapax.messages import AssistantMessage, ModelRequest, UserMessage
from carapax.models.detection import Detected
from carapax.testing import Answer, FakeClock, ScriptedProvider
from carapax.testing.simulation import simulate
from tests.fakes.answer import Answer as ServerAnswer
from tests.fakes.model_server import ModelServer
from tests.running import run

REQUEST = ModelRequest("m", (UserMessage("hi"),))
DOWN = ModelUnavailable("the server is down")


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


def busy(retry_after_s: float) -> ModelBusy:
    return ModelBusy("too much", retry_after_s=retry_after_s)


def ask(*script: Answer, **settings: Any) -> tuple[list[object], float]:
    """What came, a message as its text and a failure as itself, and how long it took in virtual seconds."""

    async def main() -> tuple[list[object], float]:
        said: list[object] = []
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async for item in Retrying(ScriptedProvider(script), FakeClock(), **settings).stream(REQUEST):
                said.append(item.text if isinstance(item, AssistantMessage) else item)
        except ModelError as error:
            said.append(error)
        return said, loop.time() - started

    return simulate(main())


def test_an_answer_passes_through() -> None:
    assert ask("hello") == ([TextDelta("hello"), "hello"], 0)


def test_a_failure_before_the_first_word_is_hidden() -> None:
    said, waited_s = ask(DOWN, DOWN, "hello")
    assert said == [TextDelta("hello"), "hello"]
    assert 1.5 <= waited_s <= 2.25


def test_a_failure_in_the_middle_makes_void_what_was_said() -> None:
    said, _ = ask(("he", DOWN), "hello")
    assert said == [TextDelta("he"), StreamReset("the server is down; trying again"), TextDelta("hello"), "hello"]


def test_the_last_failure_is_told_after_three_tries_and_within_five_seconds() -> None:
    last = ModelUnavailable("still down")
    said, waited_s = ask(DOWN, DOWN, last, "too late")
    assert said == [last]
    assert waited_s < 5


def test_the_vendor_may_ask_for_a_longer_wait() -> None:
    said, waited_s = ask(busy(3), "hello")
    assert said[-1] == "hello"
    assert waited_s == 3


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    error = busy(60)
    assert ask(error, "too late") == ([error], 0)
    assert ask(error, "hello", budget_s=90)[0][-1] == "hello"


@pytest.mark.parametrize("error", [ModelRejected("no"), ModelUnauthorized("no")])
def test_what_cannot_pass_is_told_at_once(error: ModelError) -> None:
    assert ask(error, "too late") == ([error], 0)


def test_name_and_models_are_those_of_the_provider() -> None:
    inner = ScriptedProvider([], name="inner")
    retrying = Retrying(inner, FakeClock())
    assert retrying.name == "inner"
    assert run(retrying.models()) == run(inner.models())


def models(
    detected: Detected,
    sections: dict[str, ProviderConfig] | None = None,
    http: Http | None = None,
    environ: dict[str, str] | None = None,
) -> Models:
    environ = {"OPENAI_API_KEY": "k"} if environ is None else environ
    return Models(sections or {}, http or Http(), environ, FakeClock(), detected)


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
    ],
)
def test_a_choice_is_described_with_its_reason(model: str, chosen: str, why: str) -> None:
    sections = {"mine": ProviderConfig(base_url="http://mine", default_model="m")}
    assert models(AUTO, sections).describe(model) == (chosen, why)


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


def test_what_cannot_be_opened_is_told_by_name() -> None:
    with pytest.raises(ConfigError, match="there is no provider 'nobody'"):
        run(models(AUTO).open("nobody/x"))
    with pytest.raises(ModelUnauthorized, match="MISTRAL_API_KEY"):
        run(models(AUTO).open("mistral"))


def test_at_start_the_first_model_that_is_found_becomes_the_choice() -> None:
    async def main() -> None:
        async with ModelServer([ServerAnswer("hello")], models=["llama3"]) as server, Http() as http:
            found = await open_models({}, http, {}, FakeClock(), local={"ollama": server.url})
            assert found.describe("auto") == ("ollama/llama3", f"ollama answers at {server.url}")

    run(main())
