"""What must not be told."""

import pytest

from carapax.confidential import Confidential, of_providers
from carapax.config import Config, ProviderConfig
from carapax.contracts import KeptSecret
from carapax.errors import Unavailable
from carapax.redaction import MASK, Secret
from carapax.testing.vault import MemoryVault
from tests.running import run

VALUE = "value-of-a-secret-1"
TEXT = f"it is {VALUE}."


def redacted(confidential: Confidential, text: str) -> str:
    return run(confidential.redactor())(text)


def test_what_is_in_the_vault_is_known_as_it_changes() -> None:
    vault = MemoryVault()
    confidential = Confidential(vault)
    assert redacted(confidential, TEXT) == TEXT
    run(vault.set("github", Secret(VALUE)))
    assert redacted(confidential, TEXT) == f"it is {MASK}."
    run(vault.set("github", Secret("another-value-2")))
    assert redacted(confidential, "another-value-2") == MASK


def test_what_was_in_the_vault_before_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.confidential.MOST_FORMER", 1)
    vault = MemoryVault({"github": "a-value-of-before-1"})
    confidential = Confidential(vault)
    for value in ("a-value-of-before-1", VALUE, "another-value-2"):
        run(vault.set("github", Secret(value)))
        assert redacted(confidential, value) == MASK
    assert redacted(confidential, f"{TEXT} a-value-of-before-1") == f"it is {MASK}. a-value-of-before-1"


def test_the_tokens_in_a_document_are_known_each() -> None:
    vault = MemoryVault(
        {"login:x": '{"access": "an-access-token-of-length", "at": 5, "more": ["a-refresh-token-too-12"]}'}
    )
    told = redacted(Confidential(vault), "an-access-token-of-length a-refresh-token-too-12")
    assert told == f"{MASK} {MASK}"


@pytest.mark.parametrize("value", ['{"a": 1234567', "[" * 10_000, '{"short": "token"}'])
def test_what_only_begins_like_a_document_is_a_secret_as_a_whole(value: str) -> None:
    assert redacted(Confidential(MemoryVault({"odd": value})), f"token {value}") == f"token {MASK}"


def test_without_the_vault_what_was_known_stays_known() -> None:
    class Locking(MemoryVault):
        locked = False

        async def kept(self) -> list[KeptSecret]:
            if self.locked:
                raise Unavailable("it is locked")
            return await super().kept()

    vault = Locking({"github": VALUE})
    confidential = Confidential(vault)
    assert redacted(confidential, TEXT) == f"it is {MASK}."
    vault.locked = True
    assert redacted(confidential, TEXT) == f"it is {MASK}."


def test_the_keys_of_vendors_are_known_wherever_they_are() -> None:
    config = Config(providers={"a": ProviderConfig(key=Secret("key-in-the-file")), "b": ProviderConfig(key_env="MINE")})
    environ = {"OPENAI_API_KEY": " key-of-openai ", "MINE": "key-of-my-own", "PATH": "/usr/bin"}
    known = {secret.reveal() for secret in of_providers(config, environ)}
    assert known >= {"key-in-the-file", "key-of-openai", "key-of-my-own"}
    assert "/usr/bin" not in known


def test_each_line_of_a_key_is_known() -> None:
    lines = ["-----BEGIN KEY-----", "QmFzZTY0IG9mIHRoZSBmaXJzdA", "c2Vjb25kIGxpbmUgb2YgYSBrZXk=", "-----END KEY-----"]
    told = redacted(Confidential(MemoryVault({"key": "\n".join(lines)})), f"2:{lines[1]}\nand {lines[2]}.")
    assert told == f"2:{MASK}\nand {MASK}."


def test_what_could_not_be_read_yet_is_asked_for_again() -> None:
    class Late(MemoryVault):
        unlocked = False

        async def get(self, name: str) -> Secret | None:
            return await super().get(name) if self.unlocked else None

    vault = Late({"github": VALUE})
    confidential = Confidential(vault)
    assert redacted(confidential, TEXT) == TEXT
    vault.unlocked = True
    assert redacted(confidential, TEXT) == f"it is {MASK}."
