import pytest

from carapax.config import AgentConfig, Config, GatewayConfig, PolicyConfig, RuleConfig
from carapax.testing.gateway import gateway_client
from tests.running import run

CONFIG = Config(
    gateway=GatewayConfig(port=0),
    agents={"main": AgentConfig(), "reader": AgentConfig(tools=("read_file",))},
    policy=PolicyConfig(rules=(RuleConfig("deny", "shell", ("rm",), reason="nothing is removed"),)),
)


def test_what_would_be_decided_is_told_with_its_rule_and_nothing_is_run() -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as gateway:
            judged = await gateway.rpc("policy.test", tool="shell", arguments={"command": "timeout 5 rm a"})
            assert judged == {
                "verdict": "deny",
                "rule": "policy.rules.1",
                "reason": "nothing is removed",
                "effects": ["execute", "read", "write"],
                "runs": [
                    {"text": "timeout 5 rm a", "kind": "wrapper", "why": ""},
                    {"text": "rm a", "kind": "plain", "why": ""},
                ],
                "unclear": [],
            }
            written = {"tool": "write_file", "arguments": {"path": "a", "content": "b"}}
            verdicts = [
                (await gateway.rpc("policy.test", **written, tainted=tainted))["verdict"] for tainted in (False, True)
            ]
            assert verdicts == ["allow", "ask"]
            assert (await gateway.rpc("session.list"))["sessions"] == []

    run(main())


@pytest.mark.parametrize(
    ("tool", "agent", "why"),
    [("none", "", "has no tool 'none'"), ("shell", "reader", "it has: read_file"), ("shell", "nobody", "no agent")],
)
def test_a_tool_or_an_agent_that_there_is_not_is_refused(tool: str, agent: str, why: str) -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as gateway:
            with pytest.raises(RuntimeError, match=why):
                await gateway.rpc("policy.test", tool=tool, agent=agent)

    run(main())
