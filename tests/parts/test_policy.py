"""Rules that change while the gateway runs."""

from pathlib import Path

from carapax.testing.provider import Answer, Pause, call
from tests.parts.live import FILE, gateway_on, until
from tests.running import run


def test_a_rule_holds_for_the_next_call_of_a_run_under_way(tmp_path: Path) -> None:
    pause = Pause()

    async def main() -> None:
        script: list[Answer] = [(pause, call("list_files")), "done"]
        async with gateway_on(tmp_path, FILE, script) as (gateway, _):
            session = (await gateway.rpc("session.message", text="look"))["session"]
            await pause.reached()
            rule = {"verdict": "deny", "tool": "list_files", "reason": "not today"}
            await gateway.services.settings.change({("policy", "rules"): [rule]})
            pause.release()
            await until(lambda: len(gateway.model.requests) == 2)
            events = (await gateway.rpc("session.events", session=session))["events"]
            [returned] = [event["event"]["result"] for event in events if event["event"]["kind"] == "tool_returned"]
            assert returned["is_error"]
            assert "not today" in str(returned)

    run(main())
