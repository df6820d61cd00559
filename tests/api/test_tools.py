import pytest

from carapax.config import AgentConfig, Config, GatewayConfig
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_tools_are_listed_with_their_schemas() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            tools = (await gateway.rpc("tools.list"))["tools"]
            assert "read_file" in [tool["name"] for tool in tools]
            assert all(tool["parameters"]["type"] == "object" and tool["description"] for tool in tools)

    run(main())


def test_a_tool_is_run_by_hand_and_recorded() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            done = await gateway.rpc("tools.execute", tool="list_files", arguments={"path": "."})
            assert (done["result"]["name"], done["result"].get("is_error", False)) == ("list_files", False)
            events = (await gateway.rpc("session.events", session=done["session"]))["events"]
            assert "tool_returned" in [event["event"]["kind"] for event in events]

    run(main())


@pytest.mark.parametrize(
    ("params", "code"),
    [({"tool": "none"}, -32004), ({"tool": "list_files", "session": "none"}, -32004), ({"tool": ""}, -32602)],
)
def test_what_cannot_be_run_is_refused(params: dict[str, object], code: int) -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError) as caught:
                await gateway.rpc("tools.execute", **params)
            return str(caught.value)

    assert f'"code":{code}' in run(main())


def test_a_token_for_strangers_runs_no_tool() -> None:
    async def main() -> list[int]:
        found = []
        async with gateway_client() as gateway:
            for trust in ("stranger", "known"):
                _, secret = await gateway.services.tokens.create("t", ("write",), trust=trust)
                headers = {"Authorization": f"Bearer {secret.reveal()}"}
                async with gateway.call("POST", "/api/tools/none", json={}, headers=headers) as response:
                    found.append(response.status)
        return found

    assert run(main()) == [403, 404]


def test_the_catalogue_says_what_each_tool_may_do_and_who_may_use_it() -> None:
    async def main() -> None:
        agents = {"main": AgentConfig(), "reader": AgentConfig(tools=("read_file",))}
        async with gateway_client(config=Config(gateway=GatewayConfig(port=0), agents=agents)) as gateway:
            tools = {tool["name"]: tool for tool in (await gateway.rpc("tools.catalogue"))["tools"]}
            assert tools["read_file"]["agents"] == ["main", "reader"]
            shell = tools["shell"]
            assert (shell["effects"], shell["module"]) == (["execute", "read", "write"], "carapax.tools.shell")
            assert shell["settings"]
            assert "web_search" not in tools

    run(main())
