"""`log.list`."""

import logging

import pytest

from carapax.contracts import ToolContext
from carapax.messages import ToolCall
from carapax.testing.gateway import gateway_client
from carapax.testing.provider import Script
from carapax.tool import tool
from tests.running import run

log = logging.getLogger("a part")


@tool(effects=("read",), rerun="pure", source="own")
async def break_down(context: ToolContext) -> str:
    """Fail in a way that nobody expects."""
    raise RuntimeError("odd")


def test_the_log_is_listed_newest_first_with_the_call_it_is_about() -> None:
    async def scene() -> None:
        async with gateway_client() as client:
            log.info("first")
            log.error("second")
            listed = await client.rpc("log.list", limit=2)
            assert [line["text"] for line in listed["lines"]] == ["second", "first"]
            assert (listed["lost"], listed["trouble"]) == (0, "")
            errors = await client.rpc("log.list", level="error", text="SECOND")
            assert [line["text"] for line in errors["lines"]] == ["second"]
            async with client.call("GET", "/health") as response:
                assert len(response.headers["X-Request-Id"]) == 20

    run(scene())


def test_a_run_that_fails_is_logged_with_its_session_and_run() -> None:
    async def scene() -> None:
        script: Script = [ToolCall("c1", "break_down", "{}"), "so it is"]
        async with gateway_client(script, tools=[break_down]) as client:
            asked = await client.rpc("session.message", text="hello", wait=True)
            (line,) = (await client.rpc("log.list", level="error", session=asked["session"]))["lines"]
            events = (await client.rpc("session.events", session=asked["session"]))["events"]
            run_id = next(event["run"] for event in events if event["event"]["kind"] == "run_started")
            assert (line["run"], line["agent"]) == (run_id, "main")
            assert "RuntimeError: odd" in line["error"]

    run(scene())


@pytest.mark.parametrize("wrong", [{"level": "loud"}, {"limit": 0}, {"limit": 100_000}, {"before": -1}])
def test_what_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    async def scene() -> None:
        async with gateway_client() as client:
            with pytest.raises(RuntimeError, match=next(iter(wrong))):
                await client.rpc("log.list", **wrong)

    run(scene())
