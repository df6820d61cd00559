import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from carapax.config import ModelConfig, ProviderConfig
from carapax.errors import CarapaxError
from carapax.http import Http
from carapax.models.catalogue import vendors
from carapax.models.facts import FactBook, Facts, Refreshed
from carapax.models.price import NOTHING, price
from tests.running import run


def test_a_model_of_the_table_is_known_by_the_name_its_provider_has_here() -> None:
    work = FactBook({"work": ProviderConfig(vendor="anthropic")}, {}).of("work", "claude-sonnet-4-5-20250929")
    assert work == FactBook({}, {}).of("anthropic", "claude-sonnet-4-5")
    assert work == Facts(200_000, 64_000, True, True, True, price(3, 15, 0.3, 3.75), True)


@pytest.mark.parametrize("name", [name for name, vendor in vendors().items() if vendor.facts])
def test_every_vendor_that_says_where_its_facts_are_has_some(name: str) -> None:
    assert FactBook({}, {}).of(name, vendors()[name].default_model or "x") is not None


def test_a_model_nobody_knows_has_safe_guesses_that_are_told() -> None:
    facts = FactBook({}, {}).of("openai", "gpt-77-nano")
    assert (facts.context_tokens, facts.output_tokens, facts.price, facts.known) == (128_000, 8_192, None, False)
    assert facts.note == (
        "the model openai/gpt-77-nano is not known: 128,000 tokens of context are assumed; where a budget applies, "
        "5 USD and 25 USD for a million tokens in and out are assumed; "
        'say what is right in [models."openai/gpt-77-nano"]'
    )


def test_a_provider_nobody_knows_has_guesses_too() -> None:
    assert not FactBook({}, {}).of("nobody", "gpt-5").known


def test_a_server_on_this_machine_costs_nothing() -> None:
    facts = FactBook({}, {}).of("ollama", "llama9:70b")
    assert (facts.price, facts.known, facts.note) == (NOTHING, True, "")


@pytest.mark.parametrize("name", ["copilot", "codex"])
def test_what_a_subscription_pays_for_costs_nothing_more(name: str) -> None:
    facts = FactBook({}, {}).of(name, vendors()[name].default_model)
    assert (facts.price, facts.known, facts.context_tokens > 128_000) == (NOTHING, True, True)


def test_a_vendor_behind_litellm_is_known_by_its_own_name() -> None:
    book = FactBook({}, {})
    assert book.of("litellm", "openai/gpt-5-mini") == book.of("openai", "gpt-5-mini")
    assert not book.of("litellm", "nobody/gpt-5-mini").known


def test_the_configuration_says_it_better_than_the_table() -> None:
    said = {
        "anthropic/claude-sonnet-4-5": ModelConfig(cache_read_usd=0.1, context_tokens=1_000_000, images=False),
        "own/m": ModelConfig(input_usd=1, output_usd=2, documents=True),
    }
    book = FactBook({"own": ProviderConfig(base_url="http://own.example")}, said)
    sonnet = Facts(1_000_000, 64_000, False, True, True, price(3, 15, 0.1, 3.75), True)
    assert book.of("anthropic", "claude-sonnet-4-5") == sonnet
    assert book.of("own", "m") == Facts(128_000, 8_192, None, True, None, price(1, 2), True)


def test_a_price_that_is_said_holds_for_cached_tokens_as_well() -> None:
    book = FactBook({}, {"anthropic/claude-sonnet-4-5": ModelConfig(input_usd=1)})
    assert book.of("anthropic", "claude-sonnet-4-5").price == price(1, 15, 1, 1)


def test_the_star_stands_for_models_nobody_knows() -> None:
    book = FactBook({}, {"*": ModelConfig(input_usd=1, output_usd=2, context_tokens=32_000)})
    assert book.of("nobody", "m") == Facts(
        32_000,
        8_192,
        None,
        None,
        None,
        price(1, 2),
        False,
        "the model nobody/m is not known: 32,000 tokens of context are assumed; "
        'say what is right in [models."nobody/m"]',
    )
    assert book.of("anthropic", "claude-sonnet-4-5").context_tokens == 200_000
    assert book.assumed == price(1, 2)


def test_what_is_guessed_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    book = FactBook({}, {})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            book.tell("openai", "gpt-77")
            book.tell("openai", "gpt-5")
    assert [record.message for record in caplog.records] == [book.of("openai", "gpt-77").note]


def table(models: int) -> dict[str, Any]:
    each = {"cost": {"input": 7, "output": 8}, "limit": {"context": 555, "output": 44}}
    return {"openai": {"models": {f"m{number}": each for number in range(models)}}}


async def refreshed(book: FactBook, body: object, status: int = 200) -> Refreshed:
    async def answer(request: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_get("/api.json", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Http() as http:
            return await book.refresh(http, f"http://127.0.0.1:{runner.addresses[0][1]}/api.json")
    finally:
        await runner.cleanup()


def test_a_table_that_is_fetched_is_used_at_once_and_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "data" / "models.json"
    book = FactBook({}, {}, file)
    assert not book.of("openai", "m1").known
    done = run(refreshed(book, table(4_000)))
    assert (done.models, done.before > 1_000) == (4_000, True)
    known = Facts(555, 44, False, False, None, price(7, 8), True)
    assert book.of("openai", "m1") == FactBook({}, {}, file).of("openai", "m1") == known
    assert [path.name for path in file.parent.iterdir()] == ["models.json"]


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (table(10), 200, "has 10 models, the table here"),
        ("<html>", 200, "this is no table of models"),
        (table(5_000), 500, "answered with 500"),
    ],
)
def test_what_is_no_good_table_changes_nothing(tmp_path: Path, body: object, status: int, why: str) -> None:
    book = FactBook({}, {}, tmp_path / "models.json")
    with pytest.raises(CarapaxError, match=why):
        run(refreshed(book, body, status))
    assert book.of("anthropic", "claude-sonnet-4-5").known
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_has_lost_more_than_half_of_its_models_is_not_kept(tmp_path: Path) -> None:
    book = FactBook({}, {}, tmp_path / "models.json")
    run(refreshed(book, table(4_000)))
    with pytest.raises(CarapaxError, match="has 1999 models"):
        run(refreshed(book, table(1_999)))
    assert run(refreshed(book, table(2_000))).models == 2_000


def test_a_table_that_was_damaged_meanwhile_gives_way_to_that_of_the_release(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text("{half")
    assert FactBook({}, {}, tmp_path / "models.json").of("anthropic", "claude-sonnet-4-5").known


def test_a_newer_release_counts_before_an_older_table(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(json.dumps(table(4_000)))
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert not FactBook({}, {}, file).of("openai", "m1").known
