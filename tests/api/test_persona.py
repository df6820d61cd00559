from pathlib import Path

import pytest

from carapax.config import AgentConfig, Config, GatewayConfig
from carapax.testing.gateway import gateway_client
from tests.running import run

CONFIG = Config(
    gateway=GatewayConfig(port=0), agents={"main": AgentConfig(persona="As configured."), "b": AgentConfig()}
)


def test_a_persona_is_told_written_and_taken_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with gateway_client(config=CONFIG, home=tmp_path) as gateway:
            file = str(tmp_path / "agents" / "main" / "persona.md")
            told = {"agent": "main", "file": file, "is_cut": False}
            configured = {**told, "text": "As configured.", "source": "config"}
            assert await gateway.rpc("agent.persona") == configured
            written = await gateway.rpc("agent.set_persona", text="# Ada\n\nBe\u200b kind.")
            assert written == {**told, "text": "# Ada\n\nBe kind.", "source": "file"}
            assert (await gateway.rpc("agent.list"))["agents"][0]["title"] == "Ada"
            assert (await gateway.rpc("agent.status"))["title"] == "Ada"
            assert await gateway.rpc("agent.set_persona", agent="main", remove=True) == configured
            assert (await gateway.rpc("agent.persona", agent="b"))["source"] == "none"
            with pytest.raises(RuntimeError, match="20000"):
                await gateway.rpc("agent.set_persona", text="é" * 20_001)
            with pytest.raises(RuntimeError, match="there is no agent"):
                await gateway.rpc("agent.set_persona", agent="../main", text="x")

    run(scenario())


def test_what_tells_an_agent_what_to_do_is_seen_in_its_status(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "workspaces" / "main"
    folder.mkdir(parents=True)
    (folder / "AGENTS.md").write_text("Be kind.")
    (folder / "USER.md").symlink_to("AGENTS.md")

    async def scenario() -> None:
        async with gateway_client(config=CONFIG, home=tmp_path) as gateway:
            assert (await gateway.rpc("agent.status"))["instructions"] == [
                {"name": "AGENTS.md", "text": "Be kind.", "problem": ""},
                {"name": "USER.md", "text": "", "problem": "left out, as it cannot be read: it is a link"},
            ]

    run(scenario())
