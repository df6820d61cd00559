import msgspec
import pytest

from carapax.errors import ModelBusy, ModelUnavailable
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_models_that_failed_are_listed_until_they_recover() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            health, now = gateway.services.health, gateway.services.clock.now()
            assert await gateway.rpc("model.health") == {"models": []}
            await health.failed("a", "x", ModelUnavailable("a is down"), now)
            await health.failed("a", "y", ModelBusy("too much"), now)
            await health.failed("b", "x", ModelBusy("too much"), now)
            states = {"models": msgspec.to_builtins(health.all())}
            assert await gateway.rpc("model.health") == states
            async with gateway.call("GET", "/api/models/health") as response:
                assert await response.json() == states
            assert await gateway.rpc("model.recover", provider="a", model="y") == {"models": states["models"][1:2]}
            assert await gateway.rpc("model.recover", provider="a") == {"models": states["models"][:1]}
            assert await gateway.rpc("model.health") == {"models": states["models"][2:]}

    run(main())


def test_a_model_that_is_well_cannot_recover() -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError) as caught:
                await gateway.rpc("model.recover", provider="a", model="x")
            return str(caught.value)

    assert "nothing is wrong with 'a/x'" in run(main())
