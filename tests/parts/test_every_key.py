"""Every key of the configuration is changed in a gateway that runs, and what it is for is seen to change; or it is one
that needs a restart, which is said. A new key belongs into VALUES, and into SEEN, which says how it is looked at; or
into ELSEWHERE."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from carapax.config import RESTART, Config
from carapax.configschema import ANY, tables
from carapax.egress import PublicEgress
from carapax.errors import CarapaxError
from carapax.testing.gateway import GatewayClient
from tests.fakes import live_channel, live_sandbox
from tests.parts.live import gateway_on
from tests.running import run

CHANNEL, SANDBOX, TOOL = "tests.fakes.live_channel", "tests.fakes.live_sandbox", "tests.fakes.live_tool"
FILE = f"""\
[agents.main]
model = "demo/demo"
sandbox = "{SANDBOX}"
[providers.lab]
base_url = "http://127.0.0.1:1"
[providers.hosted]
vendor = "openai"
[credentials.crm]
agents = ["main"]
hosts = ["crm.example.org"]
[models."openai/gpt-77"]
input_usd = 1.0
output_usd = 1.0
[door.live]
[facts]
url = "http://127.0.0.1:1/none"
[[policy.rules]]
verdict = "deny"
tool = "shell"
"""
NAMES = {"agents": "main", "providers": "lab", "credentials": "crm", "models": "openai/gpt-77", "door": "live"}
VALUES: dict[str, Any] = {
    "extra_tools": [TOOL],
    "gateway": {
        "allowed_hosts": ["box.lan"],
        "allowed_origins": ["https://page.example"],
        "behind_proxy": ["10.0.0.1"],
    },
    "tls": {"names": ["box.lan"]},
    "limits": {
        "message_bytes": 3,
        "body_bytes": 999_999,
        "attachment_bytes": 5,
        "json_depth": 5,
        "header_timeout_s": 5.5,
        "body_timeout_s": 5.5,
        "anonymous_per_minute": 5,
        "authenticated_per_minute": 59_999,
        "static_per_minute": 5,
        "socket_frame_bytes": 5,
        "socket_message_bytes": 5,
        "socket_text_bytes": 5,
        "socket_messages_per_minute": 5,
        "socket_pong_timeout_s": 5.5,
        "socket_queue": 5,
        "sockets": 5,
        "queued_messages": 5,
        "person_messages_per_minute": 5,
    },
    "telemetry": {"otlp_headers": {"x": "name"}, "service_name": "other", "content": True},
    "log": {"level": "error", "format": "json"},
    "egress": {"allow": ["10.0.0.0/8"]},
    "credentials": {
        "secret": "other",
        "agents": ["nobody"],
        "hosts": ["b.example"],
        "header": "X-Key:",
        "env": "CRM_KEY",
    },
    "agents": {
        "title": "Ada",
        "emoji": "x",
        "manner": "dry",
        "description": "helps",
        "model": "lab/x",
        "persona": "You are kind.",
        "tools": ["read_file"],
        "sandbox": "local",
        "queue": "collect",
        "max_iterations": 3,
        "max_seconds": 3.5,
        "max_output_tokens": 3,
        "context_tokens": 3,
        "temperature": 0.5,
        "effort": "high",
        "daily_usd": 1.5,
        "monthly_usd": 2.5,
        "hosts": ["a.example"],
        "deny": ["10.0.0.1"],
    },
    "models": {
        "input_usd": 5.5,
        "output_usd": 5.5,
        "cache_read_usd": 5.5,
        "cache_write_usd": 5.5,
        "context_tokens": 555,
        "output_tokens": 555,
        "images": True,
        "documents": True,
    },
    "update": {"url": "https://releases.example/index.json"},
    "facts": {"url": "http://127.0.0.1:1/other"},
    "budget": {"daily_usd": 1.5, "monthly_usd": 2.5},
    "user": {"name": "Ann", "timezone": "Asia/Tokyo"},
    "door": {"owners": ["ann"], "known": ["bob"], "injection": "reject"},
    "policy": {"dry_run": True, "expires_s": 5.5},
    "policy.rules": {
        "verdict": "allow",
        "tool": "read_*",
        "commands": ["git **"],
        "arguments": {"path": "x"},
        "agents": ["m*"],
        "tainted": True,
        "reason": "because",
    },
}
ELSEWHERE = {
    "tailscale.mode": "tests/tls",
    "tailscale.reset_on_exit": "tests/tls",
    "telemetry.otlp_endpoint": "tests/telemetry",
    "providers": "tests/parts/test_providers.py",
    "chains": "tests/parts/test_providers.py",
}
"""Not changed here: what it does is seen there."""

Look = Callable[[GatewayClient], Awaitable[object]]


async def _agent(gateway: GatewayClient) -> object:
    agent = gateway.services.sessions.configured.get("main")
    return agent.config, [spec.name for spec in agent.toolbox.specs()], type(agent.sandbox), agent.tool_settings


async def _ways_out(gateway: GatewayClient) -> object:
    """What becomes of addresses, of which none is connected to."""
    way_out = gateway.services.sessions.configured.get("main").egress
    assert isinstance(way_out, PublicEgress)
    found = []
    for url in ("http://10.0.0.1/", "http://10.0.0.2/", "http://93.184.216.34/"):
        try:
            found.append((await way_out.admit(url)).url)
        except CarapaxError as error:
            found.append(str(error))
    return found


async def _credentials(gateway: GatewayClient) -> object:
    agent = gateway.services.sessions.configured.get("main")
    assert agent.credentials is not None
    return agent.credentials.told(), gateway.services.config.credentials["crm"].secret


async def _money(gateway: GatewayClient) -> object:
    accounts = gateway.services.accounts
    return [(each.name, each.limit_usd) for each in accounts.standing()], accounts.days.name


async def _facts(gateway: GatewayClient) -> object:
    return gateway.services.facts.of("openai", "gpt-77")


async def _policy(gateway: GatewayClient) -> object:
    _, decision = gateway.services.sessions.weigh("shell", {"command": "ls"})
    return decision, gateway.services.config.policy


async def _doors(gateway: GatewayClient) -> object:
    statuses = []
    for headers in ({"Host": "box.lan"}, {"Origin": "https://page.example"}):
        async with gateway.call("GET", "/api/health", headers=headers) as response:
            statuses.append(response.status)
    return statuses


async def _log(gateway: GatewayClient) -> object:
    return logging.getLogger().level, gateway.services.config.log.format


async def _prompt(gateway: GatewayClient) -> object:
    """What the model is told before a conversation."""
    await gateway.rpc("session.message", text="hi", wait=True)
    return gateway.model.requests[-1].system


async def _bounds(gateway: GatewayClient) -> object:
    """What is refused of what is rather long."""
    refused = []
    for path, options in (
        ("/api/messages", {"json": {"text": "long"}}),
        ("/api/messages", {"json": {"text": "ok", "channel": "x" * 999_980}}),
        ("/api/files", {"data": b"123456", "headers": {"Content-Type": "text/plain"}}),
        ("/rpc", {"data": "[" * 6 + "]" * 6, "headers": {"Content-Type": "application/json"}}),
    ):
        async with gateway.call("POST", path, **options) as response:
            refused.append((response.status, (await response.text())[:200] if response.status >= 400 else ""))
    return refused


async def _configuration(gateway: GatewayClient) -> object:
    """Whoever it is for reads it there each time, and nowhere else."""
    return gateway.services.config


SEEN: dict[str, Look] = {
    "agents.egress": _ways_out,
    "agents.daily_usd": _money,
    "agents.monthly_usd": _money,
    "agents": _agent,
    "agents.title": _prompt,
    "agents.emoji": _prompt,
    "agents.manner": _prompt,
    "agents.persona": _prompt,
    "user.name": _prompt,
    "limits": _configuration,
    "limits.message_bytes": _bounds,
    "limits.body_bytes": _bounds,
    "limits.attachment_bytes": _bounds,
    "limits.json_depth": _bounds,
    "tls.names": _configuration,
    "telemetry": _configuration,
    "update": _configuration,
    "facts": _configuration,
    "door": _configuration,
    "extra_tools": _agent,
    "egress": _ways_out,
    "credentials": _credentials,
    "models": _facts,
    "budget": _money,
    "user.timezone": _money,
    "policy": _policy,
    "gateway": _doors,
    "gateway.behind_proxy": _configuration,
    "log": _log,
}


def keys() -> list[tuple[tuple[str, ...], str]]:
    """Where each key stands, and how it is called here."""
    found = []
    for table in tables(Config()):
        if table.path and table.path[0] in ("channels", "tools", "sandboxes"):
            continue
        path = tuple(
            NAMES.get(table.path[place - 1], "1") if part == ANY else part for place, part in enumerate(table.path)
        )
        said = ".".join(part for part in table.path if part != ANY)
        found += [((*path, key.name), f"{said}.{key.name}".lstrip(".")) for key in table.keys]
    return found


def value_for(called: str) -> object:
    section, _, name = called.rpartition(".")
    table = VALUES.get(section) or VALUES.get(section.partition(".")[0], {})
    return table[name] if section else VALUES[name]


def look_for(called: str) -> Look:
    place = max((each for each in SEEN if called == each or called.startswith(f"{each}.")), key=len, default="")
    assert place, f"nobody looks whether {called} is in force"
    return SEEN[place]


def test_every_key_changes_while_the_gateway_runs_or_is_said_to_need_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, FILE) as (gateway, file):
            settings = gateway.services.settings
            for path, called in keys():
                if called in ELSEWHERE or called.split(".")[0] in ELSEWHERE:
                    continue
                if path in RESTART:
                    await settings.change(
                        {path: {"port": 20_555, "host": "::1", "mode": "off"}.get(path[-1], "x")}, force=True
                    )
                    assert called in settings.restart
                    await settings.change({path: None})
                    assert not settings.restart
                    continue
                look = look_for(called)
                before = await look(gateway)
                if path[:2] == ("policy", "rules"):
                    rule = {"verdict": "deny", "tool": "shell", path[-1]: value_for(called)}
                    await settings.change({("policy", "rules"): [rule]})
                else:
                    await settings.change({path: value_for(called)})
                assert await look(gateway) != before, called
                file.write_text(FILE)
                await settings.reload()
                assert await look(gateway) == before, called

    run(main(), within_s=60)


def test_sections_of_extensions_change_while_the_gateway_runs(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, FILE) as (gateway, _):
            settings = gateway.services.settings
            await settings.change({("channels", CHANNEL): {"greeting": "hi"}})
            assert [channel.config.greeting for channel in live_channel.OPEN] == ["hi"]
            await settings.change({("sandboxes", SANDBOX): {"mark": "x"}})
            assert "x" in [sandbox.mark for sandbox in live_sandbox.OPEN]
            await settings.change({("extra_tools",): [TOOL], ("tools", TOOL): {"word": "first"}})
            _, said = await gateway.services.sessions.execute("live_word", {})
            assert "first" in str(said)
            await settings.change({("tools", TOOL, "word"): "second"})
            _, said = await gateway.services.sessions.execute("live_word", {})
            assert "second" in str(said)

    run(main())
