from pathlib import Path

import pytest

from carapax.agent.suggesting import Suggesting
from carapax.config import Config, ProviderConfig
from carapax.errors import ModelRejected
from carapax.messages import ModelInfo, ModelRequest, UserMessage
from carapax.testing import ScriptedProvider
from tests.api.real_models import gateway_on
from tests.fakes.vendor import Vendor
from tests.running import run


def test_a_model_that_the_vendor_does_not_know_is_told_with_those_that_it_has(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor("", models=("gpt-5-mini", "gpt-5", "other")) as vendor:
            config = Config(providers={"lab": ProviderConfig(base_url=vendor.url)})
            async with gateway_on(tmp_path, config) as gateway:
                sent = await gateway.rpc("session.message", text="hi", model="lab/gpt-5-mimi", wait=True)
                assert "does not exist" in sent["reply"]["detail"]
                assert sent["reply"]["detail"].endswith("(did you mean gpt-5-mini or gpt-5?)")

    run(main())


class Listing(ScriptedProvider):
    async def models(self) -> list[ModelInfo]:
        return [ModelInfo("gpt-5")]


@pytest.mark.parametrize(
    ("model", "error", "hint"),
    [
        ("gpt-6", ModelRejected("The model gpt-6 does not exist", "check", status=400), "did you mean gpt-5?"),
        ("gpt-5", ModelRejected("The model gpt-5 does not exist", "check", status=404), "check"),
        ("gpt-6", ModelRejected("temperature is too high", "check", status=400), "check"),
    ],
)
def test_only_a_model_that_is_not_there_has_others_like_it(model: str, error: ModelRejected, hint: str) -> None:
    async def main() -> str:
        with pytest.raises(ModelRejected) as caught:
            async for _ in Suggesting(Listing([error])).stream(ModelRequest(model, (UserMessage("hi"),))):
                pass
        return caught.value.hint

    assert run(main()) == hint
