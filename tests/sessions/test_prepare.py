import logging
from pathlib import Path

import pytest

from carapax.app import open_app
from carapax.config import AgentConfig, Config, GatewayConfig, Home, UserConfig
from carapax.contracts import Provider, Spender
from carapax.events import RunFinished
from carapax.messages import Inbound, Sender
from carapax.testing import FakeClock, ScriptedProvider
from carapax.testing.clock import START
from carapax.testing.gateway import gateway_client
from carapax.testing.models import OneProvider
from tests.running import run
from tests.sessions.opened import opened


def test_the_model_gets_what_its_agent_is_configured_with(tmp_path: Path) -> None:
    agent = AgentConfig(
        persona="You are kind.",
        model="scripted/clever",
        tools=("read_*",),
        temperature=0.5,
        effort="high",
        max_output_tokens=77,
    )

    async def scenario() -> None:
        async with opened(tmp_path, ["ok"], agent=agent) as gateway:
            session = await gateway.say("hello")
            await gateway.finished(session)
            request = gateway.provider.requests[0]
            assert request.system.startswith("You are kind.\n\nYou are main, an agent")
            assert [tool.name for tool in request.tools] == ["read_file"]
            assert (request.model, request.temperature, request.effort) == ("clever", 0.5, "high")
            assert request.max_output_tokens == 77

    run(scenario())


@pytest.mark.parametrize(
    ("zone", "machine", "today"),
    [
        ("Pacific/Auckland", "Asia/Tokyo", "Friday, 02 January 2026 in Pacific/Auckland"),
        ("", "Pacific/Kiritimati", "Friday, 02 January 2026 in Pacific/Kiritimati"),
        ("", "UTC", "Thursday, 01 January 2026 in UTC"),
    ],
)
def test_the_day_is_that_of_the_owner_and_unless_they_say_where_they_are_that_of_the_machine(
    zone: str, machine: str, today: str
) -> None:
    config = Config(gateway=GatewayConfig(port=0), user=UserConfig(timezone=zone))
    noon = FakeClock(START + 43_200)

    async def scenario() -> None:
        async with gateway_client(["ok"], config=config, clock=noon, environ={"TZ": machine}) as gateway:
            await gateway.rpc("session.message", text="hello", wait=True)
            assert f"Today is {today}." in gateway.model.requests[0].system

    run(scenario())


def test_a_run_that_cannot_be_built_for_a_reason_nobody_expected_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(OneProvider):
        async def open(self, model: str, spender: Spender | None = None) -> tuple[Provider, str]:
            raise AttributeError(model)

    async def scenario() -> None:
        models = Faulty(ScriptedProvider([]))
        config = Config(agents={"main": AgentConfig(sandbox="bubblewrap")})
        async with open_app(config, Home(tmp_path, tmp_path / "data"), environ={}, models=models) as services:
            receipt = await services.sessions.submit(Inbound("test", "", Sender("ann"), "hello"))
            async with services.journal.subscribe(receipt.session, 0) as envelopes:
                finished = await anext(one.event async for one in envelopes if isinstance(one.event, RunFinished))
            assert (finished.reason, "AttributeError" in finished.detail) == ("failed", True)

    with caplog.at_level(logging.CRITICAL):
        run(scenario())
