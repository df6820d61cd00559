"""Secrets, kept and removed while the gateway runs, through its port."""

from pathlib import Path

import pytest

from carapax.api import OPERATIONS
from carapax.config import ProviderConfig
from carapax.redaction import Secret
from carapax.testing import FakeClock
from tests.api.real_models import gateway_on
from tests.api.test_provider import everything_in, reply
from tests.fakes.vendor import Vendor
from tests.running import run

VALUE = "very-secret-0123456789"


def test_a_secret_goes_in_is_listed_by_name_and_never_comes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as gateway:
            first = await gateway.rpc("secret.set", name="github/token", value="old")
            second = await gateway.rpc("secret.set", name="github/token", value=VALUE)
            assert (second["name"], second["version"] > first["version"]) == ("github/token", True)
            assert second["changed_at"] > FakeClock().now()
            assert await gateway.rpc("secret.list") == {"secrets": [second], "uses": []}
            assert await gateway.services.registry.keys.vault.get("github/token") == Secret(VALUE)
            async with gateway.call("GET", "/api/secrets") as response:
                assert VALUE not in await response.text()
            async with gateway.call("DELETE", "/api/secrets/github%2Ftoken") as response:
                assert (response.status, await response.json()) == (200, {"name": "github/token"})
            assert await gateway.rpc("secret.list") == {"secrets": [], "uses": []}
            with pytest.raises(RuntimeError, match="the vault has no 'github/token'"):
                await gateway.rpc("secret.remove", name="github/token")
        assert VALUE.encode() not in everything_in(tmp_path)
        assert VALUE not in caplog.text

    run(main())


def test_a_secret_that_cannot_be_is_refused_without_showing_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as gateway:
            for name, value, words in (
                ("a b", VALUE, "is no name of a secret"),
                ("a", "", "0 bytes"),
                ("a", VALUE * 5000, "can be kept"),
                ("a", [VALUE], "expected `str`"),
            ):
                with pytest.raises(RuntimeError, match=words) as caught:
                    await gateway.rpc("secret.set", name=name, value=value)
                assert VALUE not in str(caught.value)
            assert await gateway.rpc("secret.list") == {"secrets": [], "uses": []}

    run(main())


def test_the_key_of_a_provider_counts_from_the_next_run_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor("old") as vendor:
            written = f'[providers.work]\nbase_url = "{vendor.url}"\ndefault_model = "gpt-5"\n'
            (tmp_path / "carapax.toml").write_text(written)
            async with gateway_on(tmp_path) as gateway:
                await gateway.rpc("secret.set", name="provider:work", value="old")
                assert await reply(gateway) == "I am gpt-5."
                vendor.keys = {"new"}
                assert "not one of ours" in await reply(gateway)
                await gateway.rpc("secret.set", name="provider:work", value="new")
                assert await reply(gateway) == "I am gpt-5."
                assert gateway.services.config.providers["work"] == ProviderConfig(
                    base_url=vendor.url, default_model="gpt-5"
                )
                await gateway.rpc("secret.remove", name="provider:work")
                assert "I am" not in await reply(gateway)

    run(main())


def test_no_operation_has_a_secret_in_its_answer() -> None:
    held = {name for name, each in OPERATIONS.items() if "Secret(" in repr(each.result.__annotations__)}
    assert {name: OPERATIONS[name].scope for name in OPERATIONS if name.startswith("secret.")} == dict.fromkeys(
        ("secret.list", "secret.set", "secret.remove"), "admin"
    )
    assert held == set()
