"""Asking for and changing how the gateway is reached in a tailnet."""

from pathlib import Path

import pytest

from carapax.store.audit import newest
from carapax.testing.gateway import gateway_client
from tests.fakes.tailscale import NAME, FakeTailscale
from tests.running import run


def test_without_tailscale_the_status_says_so() -> None:
    async def play() -> object:
        async with gateway_client() as gateway:
            return await gateway.rpc("tailscale.status")

    assert run(play()) == {
        "installed": False,
        "state": "",
        "version": "",
        "name": "",
        "mode": "off",
        "url": "",
        "problem": "Tailscale is not installed",
        "remedy": "https://tailscale.com/download",
    }


def test_a_change_is_told_and_recorded(tmp_path: Path) -> None:
    fake = FakeTailscale(tmp_path / "bin")

    async def play() -> None:
        async with gateway_client(environ=fake.environ) as gateway:
            async with gateway.call("POST", "/api/tailscale", json={"mode": "serve"}) as response:
                told = await response.json()
                assert (response.status, told["mode"], told["url"]) == (200, "serve", f"https://{NAME}")
            assert await gateway.rpc("tailscale.status") == told
            (recorded,) = await newest(gateway.services.audit.database, kind="tailscale.configure", limit=9)
            assert recorded.entry.detail == {"mode": "serve"}
            fake.misbehave(serve="denied")
            with pytest.raises(RuntimeError, match="sudo tailscale set --operator="):
                await gateway.rpc("tailscale.configure", mode="off")

    run(play())


def test_a_mode_that_is_none_is_refused() -> None:
    async def play() -> None:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError, match="Invalid enum value 'all'"):
                await gateway.rpc("tailscale.configure", mode="all")

    run(play())


def test_what_cannot_be_kept_is_done_and_told(tmp_path: Path) -> None:
    fake = FakeTailscale(tmp_path / "bin")

    async def play() -> None:
        async with gateway_client(environ=fake.environ, home=tmp_path / "home") as gateway:
            (tmp_path / "home" / "carapax.toml").write_text("[broken")
            told = await gateway.rpc("tailscale.configure", mode="serve")
            assert told["mode"] == "serve"
            assert told["problem"].startswith("done, but not kept in carapax.toml")

    run(play())
