"""A gateway that is reached through Tailscale."""

import logging
from pathlib import Path

import pytest
from msgspec.structs import replace

from carapax.config import Config, TailscaleConfig, TlsConfig
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.fakes.tailscale import NAME, FakeTailscale
from tests.gateway.raw import eventually
from tests.running import run

FORWARDED = {
    "Host": NAME,
    "X-Forwarded-For": "100.101.102.9",
    "X-Forwarded-Host": NAME,
    "X-Forwarded-Proto": "https",
    "Tailscale-User-Login": "owner@example.com",
    "Tailscale-User-Name": "The Owner",
}


@pytest.fixture
def fake(tmp_path: Path) -> FakeTailscale:
    return FakeTailscale(tmp_path / "bin")


async def answered(gateway: GatewayClient, **headers: str) -> int:
    """As Tailscale passes it on: from this machine, with headers that say from where."""
    async with gateway.call("GET", "/api/agents", headers={**FORWARDED, **headers}) as response:
        return response.status


def test_the_name_in_the_tailnet_is_ours_while_it_is_served_and_not_before_or_after(fake: FakeTailscale) -> None:
    async def play() -> None:
        async with gateway_client(environ=fake.environ) as gateway:
            assert await answered(gateway) == 403
            await gateway.rpc("tailscale.configure", mode="serve")
            assert await answered(gateway) == 401
            await gateway.rpc("tailscale.configure", mode="off")
            assert await answered(gateway) == 403

    run(play())


def test_whoever_comes_through_tailscale_needs_a_credential_and_is_nobody_by_its_headers(fake: FakeTailscale) -> None:
    async def play() -> None:
        async with gateway_client(environ=fake.environ) as gateway:
            await gateway.rpc("tailscale.configure", mode="serve")
            assert await gateway.rpc("agent.list")
            assert await answered(gateway) == 401
            _, secret = await gateway.services.tokens.create("phone", ("read",))
            assert await answered(gateway) == 401
            assert await answered(gateway, Authorization=f"Bearer {secret.reveal()}") == 200

    run(play())


def test_a_gateway_without_any_credential_is_not_opened_to_the_internet(fake: FakeTailscale) -> None:
    async def play() -> None:
        async with gateway_client(environ=fake.environ) as gateway:
            with pytest.raises(RuntimeError, match="nothing protects this gateway yet"):
                await gateway.rpc("tailscale.configure", mode="funnel")
            assert fake.serving == {}
            await gateway.services.tokens.create("phone", ("read",))
            await gateway.services.tailscale.configure("serve")

    run(play())


def test_what_the_configuration_wishes_is_seen_to_at_start_and_taken_back_at_the_end(fake: FakeTailscale) -> None:
    async def play(config: Config) -> None:
        async with gateway_client(config=config, environ=fake.environ) as gateway:
            await eventually(lambda: bool(gateway.services.tailscale.names))
            assert await answered(gateway) == 401
            assert fake.serving

    served = Config(tailscale=TailscaleConfig(mode="serve"), tls=TlsConfig(mode="on"))
    run(play(served))
    assert fake.serving
    fake.be("Running")
    run(play(replace(served, tailscale=TailscaleConfig(mode="serve", reset_on_exit=True))))
    assert fake.serving == {}


def test_what_was_served_before_is_known_after_a_restart(fake: FakeTailscale, tmp_path: Path) -> None:
    async def play(config: Config) -> int:
        async with gateway_client(config=config, environ=fake.environ) as gateway:
            fake.serve({"/": {"Proxy": f"http://127.0.0.1:{gateway.gateway.port}"}})
            await gateway.rpc("tailscale.status")
            return await answered(gateway)

    assert run(play(Config())) == 401


def test_a_wish_that_cannot_be_met_is_in_the_log_and_the_gateway_works(
    fake: FakeTailscale, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        config = Config(tailscale=TailscaleConfig(mode="funnel"))
        async with gateway_client(config=config, environ=fake.environ) as gateway:
            await eventually(lambda: "is not reached through Tailscale" in caplog.text)
            assert await gateway.rpc("health") == {"status": "ok"}

    with caplog.at_level(logging.INFO):
        run(play())
    assert "nothing protects this gateway yet" in caplog.text
    assert fake.serving == {}


def test_an_end_is_not_held_up_by_tailscale(fake: FakeTailscale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.gateway.tailnet.EXIT_S", 0.2)

    async def play() -> None:
        config = Config(tailscale=TailscaleConfig(mode="serve", reset_on_exit=True))
        async with gateway_client(config=config, environ=fake.environ) as gateway:
            await eventually(lambda: bool(gateway.services.tailscale.names))
            fake.misbehave(serve="stuck", status="stuck")

    run(play(), within_s=30)


def test_another_wish_in_the_configuration_is_seen_to_at_once(fake: FakeTailscale) -> None:
    async def play() -> None:
        async with gateway_client(environ=fake.environ) as gateway:
            await gateway.services.settings.change({("tailscale", "mode"): "serve"})
            await eventually(lambda: bool(gateway.services.tailscale.names))
            await gateway.services.settings.change({("tailscale", "mode"): None})
            await eventually(lambda: fake.serving == {})

    run(play())
