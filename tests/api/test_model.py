"""What providers offer, asked through the port of a gateway."""

from pathlib import Path

from carapax.config import Config, ProviderConfig
from carapax.messages import ModelInfo
from tests.api.real_models import gateway_on
from tests.fakes.vendor import Vendor
from tests.running import run


def test_every_provider_is_asked_and_one_that_fails_does_not_hide_the_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor("k") as vendor, Vendor("k", models=("mine",)) as other:
            sections = {
                "openai": ProviderConfig(base_url=vendor.url),
                "lab": ProviderConfig(base_url=other.url, key_env="LAB_KEY"),
                "wrong": ProviderConfig(base_url=vendor.url, key_env="WRONG_KEY"),
                "nobody": ProviderConfig(base_url="http://127.0.0.1:1"),
            }
            environ = {"OPENAI_API_KEY": "k", "LAB_KEY": "k", "WRONG_KEY": "bad"}
            async with gateway_on(tmp_path, Config(providers=sections), environ) as gateway:
                listed = await gateway.rpc("model.list")
                found = {(each["provider"], each["model"]): each for each in listed["models"]}
                assert list(found) == [("openai", "gpt-5"), ("openai", "gpt-5-mini"), ("lab", "mine")]
                assert found["openai", "gpt-5"]["known"]
                assert found["openai", "gpt-5"]["input_usd"] > 0
                assert found["lab", "mine"] == {
                    "provider": "lab",
                    "model": "mine",
                    "context_tokens": ModelInfo("").context_tokens,
                    "output_tokens": found["lab", "mine"]["output_tokens"],
                    "images": None,
                    "documents": None,
                    "reasoning": None,
                    "input_usd": None,
                    "output_usd": None,
                    "known": False,
                }
                assert [each["provider"] for each in listed["silent"]] == ["wrong", "nobody"]
                assert "not one of ours" in listed["silent"][0]["error"]
                alone = await gateway.rpc("model.list", provider="lab")
                assert alone == {"models": [found["lab", "mine"]], "silent": []}

    run(main())
