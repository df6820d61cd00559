"""Gauges are read when they are asked for."""

from carapax.redaction import Secret
from carapax.telemetry.registry import Gauge
from carapax.testing import Pause
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_gauges_tell_what_there_is_now() -> None:
    async def scene() -> None:
        pause = Pause()
        async with gateway_client([(pause, "hello")]) as client:
            gauges, meters = client.services.gauges, client.services.gauges.meters
            await client.services.registry.keys.vault.set("github", Secret("value-of-a-secret-1"))
            session = (await client.rpc("session.message", text="hello"))["session"]
            await pause.reached()
            assert meters.running.series == {(): 1}
            for secret in range(10):
                client.services.bans.fail("10.0.0.1", bytes([secret]), 1e9)
            await client.rpc("session.message", session=session, text="and more")
            await gauges.refresh()
            assert meters.waiting.series == {(): 1}
            pause.release()
            read = {name: family for name, family in vars(meters).items() if isinstance(family, Gauge)}
            assert [name for name, family in read.items() if not family.series] == ["outbox"]

    run(scene())
