import pytest

from carapax.config import AgentConfig, Config
from carapax.testing.gateway import gateway_client
from tests.running import run

TWO = Config(agents={"main": AgentConfig(description="the first"), "poet": AgentConfig(tools=("read_*",))})


def test_agents_are_listed_with_the_default_first() -> None:
    async def main() -> None:
        async with gateway_client(config=TWO) as gateway:
            assert await gateway.rpc("agent.list") == {
                "agents": [
                    {"name": "main", "description": "the first", "model": "scripted/model", "title": "main"},
                    {"name": "poet", "description": "", "model": "scripted/model", "title": "poet"},
                ]
            }

    run(main())


def test_the_status_of_an_agent_names_its_model_sandbox_and_tools() -> None:
    async def main() -> None:
        async with gateway_client(config=TWO) as gateway:
            poet = await gateway.rpc("agent.status", agent="poet")
            assert (poet["name"], poet["sandbox"], poet["running"]) == ("poet", "bubblewrap", [])
            assert [tool["name"] for tool in poet["tools"]] == ["read_file"]
            assert (await gateway.rpc("agent.status"))["name"] == "main"
            with pytest.raises(RuntimeError, match="there are: main, poet"):
                await gateway.rpc("agent.status", agent="none")

    run(main())
