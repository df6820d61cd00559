from fnmatch import fnmatchcase

import pytest

from carapax.config import ProviderConfig
from carapax.errors import ConfigError
from carapax.extensions import configure, find
from carapax.models.catalogue import address, resolve, vendors


def test_every_row_fits_the_dialect_it_names() -> None:
    for name, vendor in vendors().items():
        if vendor.search:
            configure("searcher", name, find("searcher", vendor.search), vendor.accent)
            assert vendor.key_env or vendor.base_url_env, name
            assert not (vendor.dialect or vendor.embedding or vendor.local), name
            continue
        if not vendor.dialect:
            assert vendor.embedding, name
            assert vendor.default_embedding, name
            continue
        module = find("provider", vendor.dialect)
        configure("provider", name, module, vendor.accent)
        assert vendor.default_model or vendor.local, name
        assert vendor.key_env or vendor.login or name in ("demo", "litellm"), name


@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("claude-3-7-sonnet-latest", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-sonnet-4-5-20250929", False),
        ("claude-opus-4-5", False),
        ("claude-haiku-4-5", False),
        ("claude-opus-4-6", True),
        ("claude-opus-4-8", True),
        ("claude-sonnet-4-6-20260217", True),
        ("claude-sonnet-5", True),
        ("claude-fable-5", True),
    ],
)
def test_models_that_decide_themselves_how_long_to_think_are_known_by_name(model: str, adaptive: bool) -> None:
    patterns = vendors()["anthropic"].accent["adaptive_models"]
    assert any(fnmatchcase(model, pattern) for pattern in patterns) is adaptive


def test_a_section_says_what_is_different_from_its_row() -> None:
    changed = resolve("openai", ProviderConfig(base_url="http://proxy", default_model="gpt-x"))
    row = vendors()["openai"]
    assert (changed.base_url, changed.default_model) == ("http://proxy", "gpt-x")
    assert (changed.dialect, changed.key_env, changed.accent) == (row.dialect, row.key_env, row.accent)


@pytest.mark.parametrize(
    ("vendor", "told", "found"),
    [
        ("zai", "https://api.z.ai", "https://api.z.ai/api/paas/v4"),
        ("zai", "https://api.z.ai/api/paas/", "https://api.z.ai/api/paas/v4"),
        ("zai", "https://api.z.ai/api/paas/v4/", "https://api.z.ai/api/paas/v4"),
        ("zai", "https://api.z.ai/api/pa", "https://api.z.ai/api/pa"),
        ("zai", "https://api.z.ai/api/coding/paas/v4", "https://api.z.ai/api/coding/paas/v4"),
        ("qwen", " http://proxy:8080 ", "http://proxy:8080/compatible-mode/v1"),
    ],
)
def test_a_base_url_may_leave_out_the_path_of_its_vendor(vendor: str, told: str, found: str) -> None:
    assert resolve("mine", ProviderConfig(vendor=vendor, base_url=told)).base_url == found


def test_the_environment_may_say_where_a_server_is() -> None:
    azure = resolve("azure", None)
    assert address("azure", azure, {"AZURE_OPENAI_ENDPOINT": "https://our.openai.azure.com/"}) == (
        "https://our.openai.azure.com/openai/v1"
    )
    told = resolve("azure", ProviderConfig(base_url="https://other.openai.azure.com"))
    assert address("azure", told, {"AZURE_OPENAI_ENDPOINT": "https://our.openai.azure.com/"}) == (
        "https://other.openai.azure.com/openai/v1"
    )
    with pytest.raises(ConfigError, match=r"set AZURE_OPENAI_ENDPOINT, or base_url in \[providers.azure\]"):
        address("azure", azure, {})


def test_a_section_may_have_a_name_of_its_own() -> None:
    assert resolve("work", ProviderConfig(vendor="openai", key_env="WORK_KEY")).key_env == "WORK_KEY"


def test_a_server_of_ones_own_speaks_chat_completions_unless_told_otherwise() -> None:
    assert resolve("mine", ProviderConfig(base_url="http://mine")).dialect == "openai_chat"
    assert resolve("mine", ProviderConfig(base_url="http://mine", dialect="anthropic")).dialect == "anthropic"


def test_another_dialect_drops_the_accent_of_the_row() -> None:
    assert resolve("deepseek", ProviderConfig(dialect="anthropic")).accent == {}


@pytest.mark.parametrize(
    ("name", "section", "words"),
    [
        ("opnai", None, "did you mean 'openai'"),
        ("zzzz", None, "known: anthropic, openai"),
        (
            "mine",
            ProviderConfig(vendor="antropic", base_url="http://x"),
            r"\[providers.mine\].*did you mean 'anthropic'",
        ),
        ("mine", ProviderConfig(key_env="KEY"), "does not say where its server is"),
        ("openai", ProviderConfig(base_url="http://[::1"), "is not an address"),
        ("openai", ProviderConfig(dialect="cohere", base_url="http://u:pw@[::1"), r"//\*+@\[::1. is not an address"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, section: ProviderConfig | None, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        resolve(name, section)
    assert raised.match(words)


def test_a_section_may_give_its_vendor_another_accent() -> None:
    row = vendors()["ollama"]
    assert resolve("ollama", ProviderConfig(accent={"num_ctx": 4096})).accent == {**row.accent, "num_ctx": 4096}
    elsewhere = ProviderConfig(vendor="mistral", dialect="anthropic", base_url="http://x", accent={"cache": False})
    assert resolve("mine", elsewhere).accent == {"cache": False}
