"""Providers and chains that change while the gateway runs, as the server they ask sees it."""

import asyncio
from pathlib import Path

from carapax.config import Config
from carapax.configschema import tables
from tests.api.real_models import gateway_on
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.parts.live import until
from tests.running import run

LAB = ("providers", "lab")
CHANGES: dict[str, object] = {
    "vendor": "mistral",
    "dialect": "anthropic",
    "base_url": None,
    "key_env": "LAB_KEY",
    "default_model": "other",
    "tools": "off",
    "accent": {"stream_usage": False},
}
"""Each changes what the server is asked, but `base_url`, which changes who is asked."""
ELSEWHERE = {"key", "connect_timeout_s", "idle_timeout_s"}
"""A secret, which is not set; and how long is waited, which no answer shows."""


def file(server: ModelServer) -> str:
    return f'[agents.main]\nmodel = "lab"\nsandbox = "local"\n[providers.lab]\nbase_url = "{server.url}"\n'


def seen(server: ModelServer) -> object:
    """What it was asked last, without what was said."""
    last = server.requests[-1]
    return last.path, last.headers.get("authorization"), sorted(last.body), last.model


def test_every_key_of_a_provider_changes_what_is_asked_next(tmp_path: Path) -> None:
    assert {*CHANGES, *ELSEWHERE} == {
        key.name for table in tables(Config()) if table.path[:1] == ("providers",) for key in table.keys
    }

    async def main() -> None:
        async with ModelServer() as server, ModelServer() as other:
            (tmp_path / "carapax.toml").write_text(file(server))
            async with gateway_on(tmp_path, environ={"LAB_KEY": "k" * 20, "MISTRAL_API_KEY": "m" * 20}) as gateway:
                settings = gateway.services.settings
                for name, value in CHANGES.items():
                    await gateway.rpc("session.message", text="hi", wait=True)
                    before = seen(server)
                    await settings.change({(*LAB, name): other.url if name == "base_url" else value})
                    await gateway.rpc("session.message", text="hi", wait=True)
                    assert (seen(server) != before) is (name != "base_url"), name
                    (tmp_path / "carapax.toml").write_text(file(server))
                    await settings.reload()
                assert len(other.requests) == 1

    run(main())


def test_a_provider_that_is_removed_while_it_answers_answers_to_the_end_and_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with ModelServer(lambda asked: Answer("word " * 20, chunk_delay_s=0.01)) as server:
            (tmp_path / "carapax.toml").write_text(file(server))
            async with gateway_on(tmp_path) as gateway, asyncio.TaskGroup() as group:
                answer = group.create_task(gateway.rpc("session.message", text="hi", wait=True))
                await until(lambda: server.open == 1)
                await gateway.services.settings.change({LAB: None, ("agents", "main", "model"): "demo/demo"})
                assert (await answer)["reply"]["text"] == "word " * 20
                assert "word" not in (await gateway.rpc("session.message", text="hi", wait=True))["reply"]["text"]
                assert len(server.requests) == 1

    run(main())


def test_a_chain_that_changes_is_asked_in_its_new_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with ModelServer() as server:
            (tmp_path / "carapax.toml").write_text(file(server))
            async with gateway_on(tmp_path) as gateway:
                for models in (["lab/a", "lab/b"], ["lab/b", "lab/a"]):
                    await gateway.services.settings.change({("chains", "mine"): models})
                    await gateway.rpc("session.message", text="hi", wait=True, model="mine")
                assert [request.model for request in server.requests] == ["a", "b"]

    run(main())
