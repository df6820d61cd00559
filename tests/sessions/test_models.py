import pytest

from carapax.catalogue import Detected
from carapax.config import ProviderConfig
from carapax.errors import ConfigError, ModelUnauthorized
from carapax.http import Http
from carapax.sessions.models import ConfiguredModels
from carapax.testing import FakeClock
from tests.running import run

OWN = {"lab": ProviderConfig(base_url="http://127.0.0.1:9/v1"), "named": ProviderConfig(vendor="openai", key_env="K")}


def models(**environ: str) -> ConfiguredModels:
    return ConfiguredModels(OWN, Detected("demo", "demo", "nothing else is there"), Http(), environ, FakeClock())


def test_auto_is_what_was_found_and_says_why() -> None:
    assert models().describe("auto") == ("demo/demo", "nothing else is there")
    provider, model = run(models().open("auto"))
    assert (provider.name, model) == ("demo", "demo")


def test_a_model_is_named_with_its_provider_and_opened_once() -> None:
    async def scenario() -> None:
        chosen = models(K="secret")
        one, model = await chosen.open("lab/org/some-model")
        again, _ = await chosen.open("lab/other")
        assert (one.name, model) == ("lab", "org/some-model")
        assert again is one
        assert chosen.describe("named/x") == ("named/x", "the configuration names it")

    run(scenario())


def test_what_cannot_be_opened_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="names no model"):
        run(models().open("lab"))
    with pytest.raises(ConfigError, match="there is no provider 'nowhere'"):
        run(models().open("nowhere/x"))
    with pytest.raises(ModelUnauthorized, match="set K in the environment"):
        run(models().open("named/x"))
    assert "no provider 'nowhere'" in models().describe("nowhere")[1]
