import pytest

from carapax.config import ProviderConfig
from carapax.errors import ModelUnauthorized
from carapax.models.catalogue import Vendor, resolve
from carapax.models.keys import Found, Keys
from carapax.redaction import Secret
from carapax.testing import MemoryVault
from tests.running import run

OPENAI = resolve("openai", None)
WRITTEN = ProviderConfig(vendor="openai", key=Secret(" from-the-file\n"))
ENVIRON = {"OPENAI_API_KEY": " from-the-environment "}
KEPT = {"provider:work": "from-the-vault"}


@pytest.mark.parametrize(
    ("vault", "section", "environ", "found"),
    [
        (KEPT, WRITTEN, ENVIRON, Found(Secret("from-the-vault"), "vault")),
        ({}, WRITTEN, ENVIRON, Found(Secret("from-the-file"), "carapax.toml")),
        ({}, None, ENVIRON, Found(Secret("from-the-environment"), "$OPENAI_API_KEY")),
        ({"provider:home": "of another"}, None, {}, None),
    ],
)
def test_the_vault_comes_before_the_configuration_and_that_before_the_environment(
    vault: dict[str, str], section: ProviderConfig | None, environ: dict[str, str], found: Found | None
) -> None:
    keys = Keys(MemoryVault(vault), environ)
    assert run(keys.find("work", OPENAI, section)) == found
    assert run(keys.source("work", OPENAI, section)) == (found.source if found else "")


def test_a_login_is_told_as_one() -> None:
    vendor = Vendor("openai_chat", login="device")
    assert run(Keys(MemoryVault({"login:device": "{}"}), {}).source("mine", vendor)) == "login:device"


def test_a_key_that_is_missing_is_asked_for_and_one_that_cannot_be_is_told_with_its_place_but_not_its_value() -> None:
    with pytest.raises(ModelUnauthorized) as missing:
        run(Keys(MemoryVault(), {}).require("work", OPENAI))
    assert str(missing.value) == (
        "there is no key for work (set OPENAI_API_KEY in the environment, or keep one with `carapax models add work`)"
    )
    with pytest.raises(ModelUnauthorized) as strange:
        run(Keys(MemoryVault({"provider:work": "sécret"}), {}).require("work", OPENAI))
    assert str(strange.value) == "the key for work has characters that no key has (check it: vault)"


def test_a_server_that_wants_no_key_is_asked_without() -> None:
    keys = Keys(MemoryVault(), {})
    assert run(keys.require("lab", resolve("lab", ProviderConfig(base_url="http://x")))) == Secret("")
    assert run(keys.require("ollama", resolve("ollama", None))) == Secret("")
