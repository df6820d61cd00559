from pathlib import Path

from carapax.config import AgentConfig
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
