"""Providers, added and removed while the gateway runs, through its port."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carapax.config import AgentConfig, Config, ProviderConfig
from carapax.errors import ModelUnavailable
from carapax.testing.gateway import GatewayClient
from tests.api.real_models import gateway_on
from tests.fakes.vendor import BAD_KEY, Vendor
from tests.running import run

KEY = "sk-the-right-one-0123456789"


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def reply(gateway: GatewayClient, **params: object) -> str:
    sent = await gateway.rpc("session.message", text="who are you", wait=True, **params)
    return str(sent["reply"]["text"] or sent["reply"]["detail"])


def named(listed: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["name"]: (each["standing"], each["key"]) for each in listed["providers"]}


def test_what_is_there_since_the_start_is_found_when_the_page_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carapax.models.detection._PROBE_S", 0.0)  # no model server of this machine is found

    async def main() -> None:
        environ = {"LANG": "C"}
        async with gateway_on(tmp_path, environ=environ) as gateway:
            assert (await gateway.rpc("setup.status"))["is_demo"]
            environ["OPENAI_API_KEY"] = KEY
            assert (await gateway.rpc("setup.status"))["model_reason"] == "OPENAI_API_KEY is set"
            assert list(named(await gateway.rpc("provider.list"))) == ["openai"]

    run(main())


def test_a_provider_that_is_added_answers_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "carapax.toml").write_text("# mine\n[log]\n")
        async with Vendor(KEY) as vendor:
            async with gateway_on(tmp_path) as gateway:
                added = await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=f" {KEY}\n")
                assert added == {
                    "name": "work",
                    "vendor": "",
                    "dialect": "openai_chat",
                    "base_url": vendor.url,
                    "default_model": "",
                    "key": "vault",
                    "needs_key": False,
                    "local": False,
                    "standing": "configured",
                    "health": [],
                }
                assert await reply(gateway, model="work/gpt-5") == "I am gpt-5."
                assert await reply(gateway) == "I am gpt-5."  # the model was "auto", which it is now
                assert KEY not in str(await gateway.rpc("provider.list")) + str(await gateway.rpc("config.get"))
            async with gateway_on(tmp_path) as gateway:
                assert await reply(gateway, model="work") == "I am gpt-5."
                assert named(await gateway.rpc("provider.list")) == {"work": ("configured", "vault")}
                assert await gateway.rpc("provider.remove", provider="work") == {"provider": "work"}
                assert "work" not in named(await gateway.rpc("provider.list"))
            assert (tmp_path / "carapax.toml").read_text() == "# mine\n[log]\n"
            assert KEY.encode() not in everything_in(tmp_path)

    run(main())


def test_a_bad_key_is_told_at_once_in_the_vendors_words_and_nothing_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Vendor(KEY) as vendor, gateway_on(tmp_path, Config()) as gateway:
            wrong = "sk-the-wrong-one-0123456789"
            with pytest.raises(RuntimeError, match="is not one of ours") as caught:
                await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=wrong)
            body = {"name": "work", "base_url": vendor.url, "key": wrong}
            async with gateway.call("POST", "/api/providers", json=body) as response:
                told = await response.text()
                assert (response.status, BAD_KEY[:20] in told) == (502, True)
            assert wrong not in str(caught.value) + told + caplog.text
            assert "work" not in named(await gateway.rpc("provider.list"))
            assert not (tmp_path / "carapax.toml").exists()
            assert not (tmp_path / "data" / "vault").exists()
            kept = await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=wrong, check=False)
            assert kept["key"] == "vault"
            [checked] = (await gateway.rpc("provider.check", provider="work"))["checks"]
            assert (checked["ok"], BAD_KEY[:20] in checked["error"], bool(checked["hint"])) == (False, True, True)

    run(main())


def test_a_vendor_that_lists_its_models_to_anybody_is_asked_for_an_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor(KEY, open_list=True) as vendor, gateway_on(tmp_path, Config()) as gateway:
            with pytest.raises(RuntimeError, match="is not one of ours"):
                await gateway.rpc("provider.add", name="work", base_url=vendor.url, key="wrong")
            await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=KEY)
            [checked] = (await gateway.rpc("provider.check"))["checks"]
            assert checked == {**checked, "provider": "work", "ok": True, "models": 2, "error": ""}

    run(main())


def test_a_vendor_without_a_list_is_asked_for_an_answer_of_its_default_model(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor(KEY, lists=False) as vendor, gateway_on(tmp_path, Config()) as gateway:
            with pytest.raises(RuntimeError, match="give it a default_model"):
                await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=KEY)
            await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=KEY, default_model="gpt-5")
            assert await reply(gateway, model="work") == "I am gpt-5."

    run(main())


def test_another_key_for_a_provider_counts_from_the_next_run_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor("old") as vendor:
            section = ProviderConfig(base_url=vendor.url, key_env="WORK_KEY", default_model="gpt-5")
            async with gateway_on(tmp_path, Config(providers={"work": section}), {"WORK_KEY": "old"}) as gateway:
                assert await reply(gateway) == "I am gpt-5."
                vendor.keys = {"new"}
                assert "not one of ours" in await reply(gateway)
                [status] = (await gateway.rpc("provider.list"))["providers"]
                assert (status["key"], [each["kind"] for each in status["health"]]) == (
                    "$WORK_KEY",
                    ["unauthorized"],
                )
                await gateway.rpc("provider.add", name="work", key="new")
                assert await reply(gateway) == "I am gpt-5."
                [status] = (await gateway.rpc("provider.list"))["providers"]
                assert (status["key"], status["health"]) == ("vault", [])
                with pytest.raises(RuntimeError, match="is there with other settings"):
                    await gateway.rpc("provider.add", name="work", key="new", base_url="http://elsewhere")

    run(main())


def test_two_providers_of_one_vendor_have_a_key_each(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor("a", "b") as vendor, gateway_on(tmp_path, Config()) as gateway:
            for name in ("a", "b"):
                params = {"name": f"for-{name}", "vendor": "mistral", "base_url": vendor.url, "key": name}
                await gateway.rpc("provider.add", **params)
            vendor.asked.clear()
            for name in ("a", "b"):
                await reply(gateway, model=f"for-{name}/gpt-5")
            assert [key for path, key in vendor.asked if "chat" in path] == ["a", "b"]

    run(main())


def test_providers_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    async def main() -> None:
        names = [f"p{number}" for number in range(6)]
        async with Vendor(*names) as vendor, gateway_on(tmp_path, Config()) as gateway:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(gateway.rpc("provider.add", name=name, base_url=vendor.url, key=name))
            with pytest.raises(RuntimeError, match="other settings"):
                await gateway.rpc("provider.add", name="p1", base_url=vendor.url + "/v1", key="p1")
        async with gateway_on(tmp_path) as gateway:
            assert named(await gateway.rpc("provider.list")) == dict.fromkeys(sorted(names), ("configured", "vault"))

    run(main())


def test_one_that_is_used_is_removed_only_with_force(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor(KEY) as vendor, gateway_on(tmp_path, Config()) as gateway:
            await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=KEY)
        agents = {"main": AgentConfig(), "writer": AgentConfig(model="work/gpt-5")}
        config = Config(
            agents=agents,
            chains={"safe": ("demo/demo", "work/gpt-5")},
            providers={"work": ProviderConfig(base_url="http://x")},
        )
        async with gateway_on(tmp_path, config) as gateway:
            with pytest.raises(RuntimeError, match="work is used by the agent writer, the chain safe"):
                await gateway.rpc("provider.remove", provider="work")
            async with gateway.call("DELETE", "/api/providers/work", json={"force": True}) as response:
                assert response.status == 200
            assert "work" not in named(await gateway.rpc("provider.list"))
        assert "work" not in (tmp_path / "carapax.toml").read_text()

    run(main())


def test_what_is_not_there_cannot_be_removed_and_is_told_with_what_to_do(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, Config(), {"GROQ_API_KEY": "k"}) as gateway:
            assert named(await gateway.rpc("provider.list"))["groq"] == ("key", "$GROQ_API_KEY")
            with pytest.raises(RuntimeError, match="groq is there because GROQ_API_KEY is set"):
                await gateway.rpc("provider.remove", provider="groq")
            with pytest.raises(RuntimeError, match="did you mean groq"):
                await gateway.rpc("provider.remove", provider="grok")
            with pytest.raises(RuntimeError, match="did you mean groq"):
                await gateway.rpc("provider.check", provider="qroq")

    run(main())


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"name": "a b"}, "no name of a provider"),
        ({"name": "../x"}, "no name of a provider"),
        ({"name": "auto"}, "name of a chain"),
        ({"name": "mine", "vendor": "opanai"}, "did you mean 'openai'"),
        ({"name": "mine"}, "does not say where its server is"),
        ({"name": "openai"}, "there is no key for openai"),
        ({"name": "openai", "key": "schlüssel"}, "characters that no key has"),
        ({"name": "openai", "key": 5}, "expected `str`"),
        ({"name": "mine", "base_url": "http://x", "key_env": "sk-12 34"}, "no name of an environment variable"),
        ({"name": "mine", "base_url": "nowhere", "check": False}, "base_url is no address"),
        (
            {"name": "mine", "base_url": "http://x", "dialect": "klingon", "check": False},
            "there is no provider 'klingon'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(
    tmp_path: Path, params: dict[str, object], words: str
) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, Config()) as gateway:
            with pytest.raises(RuntimeError) as caught:
                await gateway.rpc("provider.add", **params)
            assert words in str(caught.value).replace('\\"', '"')
            assert "schlüssel" not in str(caught.value)
            assert not (tmp_path / "carapax.toml").exists()
            assert await gateway.services.registry.keys.vault.names() == []

    run(main())


def test_a_configuration_that_cannot_be_written_leaves_no_key_behind(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "carapax.toml").write_text("[log]\n")
        async with Vendor("k") as vendor, gateway_on(tmp_path) as gateway:
            adding = {"name": "work", "base_url": vendor.url, "key": "k"}
            (tmp_path / "carapax.toml").chmod(0o400)
            with pytest.raises(RuntimeError, match="is read-only"):
                await gateway.rpc("provider.add", **adding)
            (tmp_path / "carapax.toml").chmod(0o600)
            (tmp_path / "carapax.toml").write_text("[log\n")
            with pytest.raises(RuntimeError, match=r"carapax\.toml:1"):
                await gateway.rpc("provider.add", **adding)
            assert (tmp_path / "carapax.toml").read_text() == "[log\n"
            assert await gateway.services.registry.keys.vault.names() == []
            assert "work" not in named(await gateway.rpc("provider.list"))

    run(main())


def test_reading_may_not_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, Config()) as gateway:
            _, secret = await gateway.services.tokens.create("reader", ("read",))
            gateway.http.headers["Authorization"] = f"Bearer {secret.reveal()}"
            assert (await gateway.rpc("provider.list"))["vendors"][0]["name"] == "anthropic"
            for method, params in (("provider.add", {"name": "demo"}), ("provider.remove", {"provider": "demo"})):
                with pytest.raises(RuntimeError, match="forbidden"):
                    await gateway.rpc(method, **params)

    run(main())


def test_nothing_is_wrong_any_more_with_the_models_of_a_provider_that_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor(KEY) as vendor, gateway_on(tmp_path, Config()) as gateway:
            await gateway.rpc("provider.add", name="work", base_url=vendor.url, key=KEY)
            error = ModelUnavailable("it is down", vendor="work", model="gpt-5")
            await gateway.services.health.failed("work", "gpt-5", error, 0)
            assert len((await gateway.rpc("model.health"))["models"]) == 1
            await gateway.rpc("provider.remove", provider="work")
            assert (await gateway.rpc("model.health"))["models"] == []

    run(main())
