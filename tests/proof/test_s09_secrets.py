"""S9: secrets that come back are taken out: values in disguise at every sink, and what looks like a key."""

import json
import random
import re
import string
import sysconfig
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from carapax import confidential
from carapax.config import AgentConfig, Config, CredentialConfig, EgressConfig, GatewayConfig, LogConfig
from carapax.contracts import Effect, Source, ToolContext
from carapax.errors import InvalidRequest
from carapax.events import Rerun
from carapax.keyfamilies import families_in
from carapax.logs.files import Wanted
from carapax.models.refusal import Origin as VendorOrigin
from carapax.models.refusal import failure
from carapax.redaction import Secret
from carapax.redactor import Redactor
from carapax.testing.gateway import gateway_client
from carapax.testing.provider import call
from tests.disguises import DISGUISES
from tests.proof.figures import Figure, shown
from tests.running import run

CORPORA = Path(__file__).parent.parent / "corpora"
LETTERS = {
    "w": string.ascii_letters + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "U": string.ascii_uppercase + "234567",
    "h": "0123456789abcdef",
    "n": string.digits,
    "u": string.ascii_letters + string.digits + "-_",
    "b": string.ascii_letters + string.digits + "+/",
}
AROUND = (
    "{}",
    "token: {}",
    'export KEY="{}"',
    "The key is {}, keep it.",
    '{{"value": "{}"}}',
    "https://example.com/?q={}&page=2",
    "remote: https://x:{}@git.example.com/repo",
    "\tkey\t=\t'{}';",
)
A_FAMILY = 10


def samples() -> Iterator[tuple[str, list[str], str]]:
    """Family, what of a key is by chance, and a line that holds the key."""
    chance = random.Random(9)
    for shape in (CORPORA / "keys.txt").read_text().splitlines():
        if shape.startswith("#"):
            continue
        for number in range(A_FAMILY):
            pieces: list[str] = []
            line = re.sub(r"\{(uuid|[a-zA-Z])(\d*)\}", lambda found: made(found, chance, pieces), shape)  # noqa: B023 - called at once
            named = re.search(r"[=:] ?['\"]?\S|Bearer ", shape.split("{")[0] + "x") is not None
            yield shape, pieces, line if named else AROUND[number % len(AROUND)].format(line)


def made(found: re.Match[str], chance: random.Random, pieces: list[str]) -> str:
    if found[1] == "uuid":
        pieces.append(str(uuid.UUID(int=chance.getrandbits(128), version=4)))
    else:
        pieces.append("".join(chance.choices(LETTERS[found[1]], k=int(found[2]))))
    return pieces[-1]


def honest_lines() -> Iterator[str]:
    """Lines that hold no key: prose, code, and what is random but no secret."""
    root = Path(__file__).parents[2]
    for file in [*sorted((root / "docs").rglob("*.md")), *sorted((root / "src").rglob("*.py"))]:
        yield from file.read_text().splitlines()
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:40]:
        yield from file.read_text(errors="replace").splitlines()
    chance = random.Random(10)
    for number in range(4000):
        digest = f"{chance.getrandbits(160):040x}"
        yield (
            f"commit {digest}",
            f"{uuid.UUID(int=chance.getrandbits(128), version=4)} done in {number} ms",
            f"sha256:{chance.getrandbits(256):064x}  image-{number}.tar.gz",
            f"  resolved https://registry.example.org/left-pad-{number}.tgz#{digest}",
            f'"integrity": "sha512-{"".join(chance.choices(LETTERS["b"], k=86))}=="',
            f"index {digest[:7]}..{digest[7:14]} 100644",
            f"2026-11-21T10:{number % 60:02}:11.{number:06}Z INFO request_id={digest[:32]} status=200",
            f"<img src='data:image/png;base64,{''.join(chance.choices(LETTERS['b'], k=60))}'>",
        )[number % 8]


def missed(redact: Callable[[str], str]) -> list[tuple[str, str]]:
    """The keys of which a part is still there."""
    return [
        (family, line)
        for family, pieces, line in samples()
        if any(piece in redact(line) for piece in pieces if len(piece) >= min(12, max(map(len, pieces))))
    ]


def test_what_looks_like_a_key_is_taken_out_and_honest_lines_stay() -> None:
    total = sum(1 for _ in samples())
    families = len({family for family, _, _ in samples()})
    left = missed(Redactor())
    caught = 100 * (total - len(left)) / total
    assert (total >= 2000, families >= 200) == (True, True)
    figure = shown(
        Figure("S9", f"{total} keys of {families} families", f"{caught:.2f} % caught", "at least 99 %", caught >= 99)
    )
    lines = list(honest_lines())
    false = [line for line in lines if list(families_in(line))]
    rate = 1000 * len(false) / len(lines)
    honest = shown(
        Figure("S9", f"{len(lines)} honest lines", f"{rate:.2f} in 1,000 changed", "at most 1 in 1,000", rate <= 1)
    )
    assert (figure.met, honest.met) == (True, True), (left[:20], false[:20])


VALUE = "sk_7hQ2mZx9-Tn4_vB8+kept/in=the.vault"


class Leaky:
    """What repeats the secret in one disguise after another, in whatever way it is asked to."""

    def __init__(self, way: str) -> None:
        self.name = f"leak_{way}"
        self.description = "Repeats a secret."
        self.parameters = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
        self.effects: frozenset[Effect] = frozenset({"read"})
        self.rerun: Rerun = "pure"
        self.authority: tuple[str, ...] | None = ()
        self.source: Source | None = "own"
        self._way = way

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        return self.effects

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        hidden = HIDDEN[arguments["number"]]
        match self._way:
            case "error":
                raise InvalidRequest(f"no such thing as {hidden}.", hidden)
            case "bug":
                raise ValueError(f"nobody expected {hidden}.")
            case "progress":
                for letter in f"on the way: {hidden}\n":
                    context.progress(letter)
                return "done"
        return f"before {hidden}\nafter"


HIDDEN = [disguise(VALUE) for disguise in DISGUISES.values()]
WAYS = ("result", "error", "bug", "progress")


def shows(text: str) -> list[str]:
    """The disguises in which a secret is in a text, or in one that was written as JSON."""
    escaped = [json.dumps(hidden)[1:-1] for hidden in HIDDEN]
    return [
        name
        for name, hidden, in_json in zip(DISGUISES, HIDDEN, escaped, strict=True)
        if VALUE in text or hidden in text or in_json in text or in_json in text.replace("\\\\", "\\")
    ]


async def echoing(request: web.BaseRequest) -> web.Response:
    return web.Response(text=f"you sent {HIDDEN[int(request.path[1:])]}\nand more", content_type="text/plain")


@asynccontextmanager
async def echo_server() -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(echoing), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def refused_by_vendor(hidden: str) -> str:
    origin = VendorOrigin("openai", "gpt", key=Secret(VALUE))
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {hidden} ."}})
    return str(failure(origin, 401, {}, body.encode(), 0.0))


CONFIG = Config(
    gateway=GatewayConfig(port=0),
    log=LogConfig("debug"),
    egress=EgressConfig(("127.0.0.1/32",)),
    agents={"main": AgentConfig(sandbox="local")},
    credentials={"kept": CredentialConfig(agents=("main",), env="TOKEN")},
)


async def sinks() -> dict[str, str]:
    """What everybody sees of a gateway that was made to repeat a secret in each disguise by each way."""
    seen: dict[str, str] = {}
    calls = [tuple(call(f"leak_{way}", number=number) for number in range(len(HIDDEN))) for way in WAYS]
    async with (
        gateway_client([*calls, "done"], config=CONFIG, tools=[Leaky(way) for way in WAYS]) as gateway,
        echo_server() as echo,
        gateway.socket() as socket,
    ):
        vault = gateway.services.registry.keys.vault
        await vault.set("kept", Secret(VALUE))
        session = (await gateway.rpc("session.create"))["id"]
        await socket.rpc("session.subscribe", session=session)
        await gateway.rpc("session.message", session=session, text="go")
        events = await socket.events_until("run_finished")
        by_kind = {
            kind: [envelope["event"] for envelope in events if envelope["event"]["kind"] == kind]
            for kind in ("tool_returned", "tool_progress")
        }
        returned = [event["result"] for event in by_kind["tool_returned"]]
        seen["tool result"] = json.dumps([each for each in returned if each["name"] == "leak_result"])
        seen["tool error"] = json.dumps([each for each in returned if each["name"] == "leak_error"])
        seen["tool that broke"] = json.dumps([each for each in returned if each["name"] == "leak_bug"])
        seen["tool progress"] = "".join(event["text"] for event in by_kind["tool_progress"])
        seen["event stream"] = json.dumps(events)
        seen["model"] = msgspec.json.encode(gateway.model.requests).decode()
        seen["export"] = (await gateway.rpc("session.export", session=session))["jsonl"]
        pages = [
            await gateway.rpc("tools.execute", tool="web_fetch", arguments={"url": f"{echo}/{number}"})
            for number in range(len(HIDDEN))
        ]
        seen["page that echoes"] = json.dumps(pages)
        seen["audit"] = json.dumps(await gateway.rpc("audit.list"))
        command = 'for number in $(seq 3); do printf "%s " "$TOKEN"; done; env; printf %s "$TOKEN" | od -An -tx1; '
        command += 'printf %s "$TOKEN" | base64; printf %s "$TOKEN" | rev; printf %s "$TOKEN" | gzip | base64'
        shell = await gateway.rpc("tools.execute", tool="shell", arguments={"command": command})
        seen["command"] = shell["result"]["text"]
        logged = gateway.services.logs.newest(Wanted(), limit=100_000)
        seen["log"] = msgspec.json.encode(logged).decode()
    seen["vendor's error"] = json.dumps([refused_by_vendor(hidden) for hidden in HIDDEN])
    return seen


def told() -> dict[str, list[str]]:
    """Sink by sink, the disguises that got through."""
    seen = run(sinks(), within_s=60)
    assert [sink for sink, text in seen.items() if len(text) < 20] == []
    assert "TOKEN=" in seen["command"]
    return {sink: names for sink, text in seen.items() if (names := shows(text))}


def test_no_disguise_of_a_secret_gets_through_any_sink() -> None:
    through = told()
    tried = 12 * len(HIDDEN)
    figure = shown(
        Figure(
            "S9",
            f"{len(HIDDEN)} disguises of vault values at 12 sinks",
            f"{100 - 100 * sum(map(len, through.values())) / tried:.1f} % caught",
            "100 %",
            not through,
        )
    )
    assert figure.met, through


class PlainOnly(Redactor):
    """Knows secrets only as they are."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        super().__init__()
        self._values = [secret.reveal() for secret in secrets if secret]

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, "********")
        return text


def test_planted_who_knows_secrets_only_as_they_are_lets_most_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidential, "Redactor", PlainOnly)
    through = told()
    assert len(through["tool result"]) > len(HIDDEN) // 2
    assert len(through) > 6


def test_planted_without_shapes_keys_stay() -> None:
    assert len(missed(lambda line: line)) == sum(1 for _ in samples())
