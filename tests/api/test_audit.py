"""The audit log, from outside."""

import hashlib
import re
from pathlib import Path
from typing import Any

import carapax
from carapax.api import OPERATIONS
from carapax.config import AgentConfig, Config, GatewayConfig
from carapax.testing import call
from carapax.testing.gateway import LOCAL_SECRET, gateway_client
from carapax.testing.provider import Script
from tests.agent.running import FunctionTool
from tests.running import run

BEARER = {"Authorization": f"Bearer {LOCAL_SECRET}"}
CONFIG = Config(gateway=GatewayConfig(port=0), agents={"main": AgentConfig(sandbox="bubblewrap")})


def entries(answer: Any) -> list[dict[str, Any]]:
    return [one["entry"] for one in answer["entries"]]


def test_a_change_is_recorded_with_whoever_made_it_and_never_a_secret() -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as gateway:
            session = (await gateway.rpc("session.create"))["id"]
            made = await gateway.rpc("token.create", name="phone", scopes=["admin"])
            headers = {"Authorization": f"Bearer {made['secret']}"}
            phone = {"who": made["token"]["id"], "name": "phone", "address": "127.0.0.1"}
            async with gateway.call("POST", "/login", json={"token": made["secret"]}) as response:
                assert response.status == 204
            (signin,) = await gateway.services.signins.list()
            async with gateway.call("POST", f"/api/sessions/{session}/fork", json={}, headers=headers) as response:
                fork = (await response.json())["id"]
            deeds: tuple[tuple[str, str, dict[str, str]], ...] = (
                ("POST", f"/api/sessions/{session}/end", {}),
                ("POST", "/api/stop", {"reason": "x"}),
            )
            for method, path, body in (*deeds, ("DELETE", "/api/stop", {})):
                async with gateway.call(method, path, json=body, headers=headers) as response:
                    assert response.status == 200
            async with gateway.call("DELETE", f"/api/tokens/{phone['who']}", headers=headers) as response:
                assert response.status == 200
            async with gateway.call("GET", "/api/audit?after=0", headers=BEARER) as response:
                text = await response.text()
                found = entries(await response.json())
            assert made["secret"] not in text
            token = {"token": phone["who"]}
            asked = {"name": "phone", "scopes": "admin", "trust": "owner"}
            assert [{key: value for key, value in entry.items() if key != "at"} for entry in found] == [
                {"kind": "token.create", "who": "local", "detail": {**token, **asked}},
                {"kind": "auth.accepted", **phone},
                {"kind": "auth.login", **phone, "detail": {"how": "token", "signin": signin.id}},
                {"kind": "session.fork", **phone, "session": session, "detail": {"new": fork, "at": 1}},
                {"kind": "session.end", **phone, "channel": "api", "session": session},
                {"kind": "agents.stop", **phone, "detail": {"reason": "x"}},
                {"kind": "agents.release", **phone},
                {"kind": "token.revoke", **phone, "detail": token},
            ]
            async with gateway.call("GET", "/api/audit/verify", headers=BEARER) as response:
                verdict = await response.json()
            assert (verdict["entries"], verdict["broken"]) == (8, 0)

    run(main())


def test_a_call_is_recorded_with_the_digest_of_its_arguments_unless_it_only_reads() -> None:
    async def main() -> None:
        writes = FunctionTool("write", lambda given: "ok", effects=frozenset({"write"}))
        reads = FunctionTool("look", lambda given: "ok")
        script: Script = [call("look"), call("write", text="hunter2"), "done"]
        async with gateway_client(script, config=CONFIG, tools=[writes, reads]) as gateway:
            sent = await gateway.rpc("session.message", text="go", wait=True)
            await gateway.rpc("tools.execute", tool="write", arguments={"number": 1})
            by_hand, by_agent = entries(await gateway.rpc("audit.list", kind="tool.called"))
            arguments = '{"text":"hunter2"}'
            (asked,) = [
                part["arguments"]
                for event in (await gateway.rpc("session.events", session=sent["session"]))["events"]
                if event["event"]["kind"] == "tool_called" and (part := event["event"]["call"])["name"] == "write"
            ]
            assert asked.replace(" ", "") == arguments
            assert (by_agent["who"], by_agent["channel"], by_agent["session"]) == ("agent main", "api", sent["session"])
            detail = by_agent["detail"]
            assert detail["arguments"] == hashlib.sha256(asked.encode()).hexdigest()
            assert (detail["tool"], detail["outcome"], detail["sandbox"]) == ("write", "done", "bubblewrap")
            assert (by_hand["who"], by_hand["detail"]["tool"]) == ("local", "write")

    run(main())


def test_refused_tokens_are_recorded_up_to_a_bound() -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as gateway:
            await gateway.rpc("token.create", name="phone")
            for number in range(15):
                headers = {"Authorization": f"Bearer cpx_x_{number}"}
                async with gateway.call("GET", "/status", headers=headers) as response:
                    assert response.status in (401, 429)
            async with gateway.call("GET", "/api/audit?kind=auth.refused", headers=BEARER) as response:
                found = entries(await response.json())
            assert len(found) == 10
            assert {entry["address"] for entry in found} == {"127.0.0.1"}

    run(main())


def test_another_configuration_is_recorded_at_the_start_that_finds_it(tmp_path: Path) -> None:
    async def kinds() -> list[str]:
        async with gateway_client(config=CONFIG, home=tmp_path) as gateway:
            return [entry["kind"] for entry in entries(await gateway.rpc("audit.list", after=0))]

    assert run(kinds()) == []
    (tmp_path / "carapax.toml").write_text("# one")
    assert run(kinds()) == ["config.changed"]
    assert run(kinds()) == ["config.changed"]
    (tmp_path / "carapax.toml").write_text("# two")
    assert run(kinds()) == ["config.changed"] * 2


SILENT = {
    "session.message": "the journal keeps it with its sender",
    "session.create": "the journal keeps it",
    "session.rename": "the journal keeps it",
    "file.add": "nothing is changed until a message names the file, which the journal keeps",
    "provider.check": "it changes nothing",
    "policy.test": "it changes nothing",
    "passkey.begin": "nothing is changed until the passkey is made",
    "tools.execute": "the tool decides: tool.called, unless it only reads",
}
LOOKS = {"GET"}


def test_every_operation_that_changes_something_is_recorded() -> None:
    """Its own name, or one that its file gives, is what the log has of it."""
    source = "\n".join(file.read_text() for file in Path(carapax.__file__).parent.rglob("*.py"))
    noted = set(re.findall(r"(?:note|of|_audited)\(\s*\"([a-z]+(?:\.[a-z_]+)+)\"", source))
    changing = {name for name, made in OPERATIONS.items() if made.method not in LOOKS}
    named = {
        "approval.answer": "approval.given",
        "config.reload": "config.changed",
        "config.set": "config.changed",
        "grant.remove": "grant.removed",
        "owner.password": "owner.password.removed",
        "passkey.add": "owner.passkey.added",
        "passkey.remove": "owner.passkey.removed",
        "passkey.rename": "owner.passkey.renamed",
        "session.vouch": "session.vouched",
        "workspace.vouch": "workspace.vouched",
    }
    missing = {name for name in changing - SILENT.keys() if named.get(name, name) not in noted}
    assert missing == set()


def test_taking_a_session_away_is_recorded_however_it_is_done() -> None:
    async def main() -> list[str]:
        async with gateway_client() as gateway:
            session = (await gateway.services.sessions.create()).id
            await gateway.rpc("session.export", session=session)
            headers = {"Accept": "application/x-ndjson"}
            async with gateway.call("GET", f"/api/sessions/{session}/export", headers=headers) as response:
                assert response.status == 200
            return [entry["kind"] for entry in entries(await gateway.rpc("audit.list", after=0))]

    assert run(main()) == ["session.export", "session.export"]
