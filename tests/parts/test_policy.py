"""Rules that change while the gateway runs."""

from pathlib import Path

import pytest

from carapax.config import Config, PolicyConfig, RuleConfig
from carapax.contracts import Asking, Decision, Verdict
from carapax.parts.policy import make_policy
from carapax.testing.provider import Answer, Pause, call
from tests.parts.live import FILE, gateway_on, until
from tests.running import run


class _Granted:
    """Has been allowed everything."""

    def judge(self, asking: Asking) -> Decision:
        return Decision("allow", "grant", "somebody allowed it")


@pytest.mark.parametrize("verdict", ["deny", "ask"])
def test_a_rule_holds_whatever_was_allowed_before(verdict: Verdict) -> None:
    config = Config(policy=PolicyConfig(rules=(RuleConfig(verdict, tool="shell"),)))
    for tool, said in (("shell", verdict), ("write_file", "allow")):
        asking = Asking("main", "s", "api", tool, {}, frozenset({"write"}), None)
        assert make_policy(config, _Granted()).decide(asking).verdict == said


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


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({("policy", "rules"): [{"verdict": "deny", "tool": "shell", "reason": "not today"}]}, "not today"),
        ({("policy", "dry_run"): True}, "dry run"),
        ({("policy", "rules"): [{"verdict": "allow", "tool": "shell"}]}, "[exit code 0]"),
    ],
)
def test_a_yes_counts_only_if_no_rule_forbids_the_call_by_then(
    tmp_path: Path, change: dict[tuple[str, ...], object], why: str
) -> None:
    async def main() -> None:
        script: list[Answer] = [call("shell", command="touch made"), "done"]
        text = f'{FILE}[[policy.rules]]\nverdict = "ask"\ntool = "shell"\n'
        async with gateway_on(tmp_path, text, script) as (gateway, _), gateway.socket() as socket:
            session = (await socket.rpc("session.message", text="do it"))["session"]
            await socket.rpc("session.subscribe", session=session, after=0)
            asked = (await socket.events_until("approval_asked"))[-1]["event"]
            await gateway.services.settings.change(change)
            await socket.rpc("approval.answer", approval=asked["id"], digest=asked["digest"], verdict="allow")
            returned = (await socket.events_until("tool_returned"))[-1]["event"]["result"]
            assert why in returned["text"]
            await socket.events_until("run_finished")

    run(main())
