"""A model that dies in the middle of its answer, as those see it who talk to the gateway."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from carapax.api.services import Services
from carapax.app import open_app, supervise
from carapax.cli.printer import Printer
from carapax.config import AgentConfig, Config, GatewayConfig, Home, ProviderConfig
from carapax.events import RunFinished
from carapax.gateway.server import open_gateway
from carapax.messages import Inbound, Sender
from carapax.redaction import Secret
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.running import run

DYING = Answer("This will never be whole", cut_after=4, chunk_delay_s=0.01)
NEXT = "I am the next one."


@asynccontextmanager
async def gateway(home: Path) -> AsyncIterator[tuple[str, ClientSession, Services, ModelServer]]:
    """A gateway whose agent has a chain of two models, of which the first dies in the middle of every answer."""
    async with ModelServer(lambda received: DYING) as dying, ModelServer(lambda received: Answer(NEXT)) as sound:
        config = Config(
            gateway=GatewayConfig(port=0),
            agents={"main": AgentConfig(model="safe", sandbox="local")},
            providers={"dying": ProviderConfig(base_url=dying.url), "sound": ProviderConfig(base_url=sound.url)},
            chains={"safe": ("dying/one", "sound/two")},
        )
        async with (
            open_app(config, Home(home, home / "data"), environ={}) as services,
            open_gateway(services, supervise, local=Secret("local")) as opened,
            ClientSession() as http,
        ):
            yield f"http://127.0.0.1:{opened.port}", http, services, dying


async def ask(http: ClientSession, url: str, **more: Any) -> str:
    body = {"model": "carapax", "messages": [{"role": "user", "content": "hi"}], **more}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        assert response.status == 200
        return await response.text()


async def rpc(http: ClientSession, url: str, method: str, **params: Any) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with http.post(f"{url}/rpc", json=request) as response:
        return (await response.json())["result"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each kind of client saw; each had a gateway to whom the fault was new."""

    async def main() -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with gateway(tmp_path_factory.mktemp("a")) as (url, http, services, _):
            found["whole"] = json.loads(await ask(http, url))
            found["health"] = await rpc(http, url, "model.health")
            found["status"] = await rpc(http, url, "agent.status")
            await rpc(http, url, "model.recover", provider="dying")
            found["streamed"] = await ask(http, url, stream=True)
            await rpc(http, url, "model.recover", provider="dying")
            sent = await rpc(http, url, "session.message", text="hi", wait=True)
            found["reply"] = sent["reply"]
            found["history"] = await rpc(http, url, "session.history", session=sent["session"])
            await rpc(http, url, "model.recover", provider="dying")
            found["terminal"] = await printed(services)
        return found

    return run(main())


async def printed(services: Services) -> str:
    out = io.StringIO()
    printer = Printer(out, out)
    receipt = await services.sessions.submit(Inbound("test", "", Sender("ann"), "hi"))
    async with services.journal.subscribe(receipt.session, 0) as envelopes:
        async for envelope in envelopes:
            printer.show(envelope)
            if isinstance(envelope.event, RunFinished):
                break
    return out.getvalue()


def test_after_a_restart_the_model_that_failed_is_left_in_peace(tmp_path: Path) -> None:
    async def main() -> list[int]:
        asked = []
        for _ in range(2):
            async with gateway(tmp_path) as (url, http, _services, dying):
                assert json.loads(await ask(http, url))["choices"][0]["message"]["content"] == NEXT
                asked.append(len(dying.requests))
        return asked

    first, second = run(main())
    assert first > 0 and second == 0


def test_a_client_that_waits_gets_the_next_models_answer_alone(seen: dict[str, Any]) -> None:
    assert seen["whole"]["choices"][0]["message"]["content"] == NEXT
    assert seen["reply"]["text"] == NEXT


def test_a_client_that_streams_is_told_that_the_answer_starts_anew(seen: dict[str, Any]) -> None:
    chunks = [json.loads(line[6:]) for line in seen["streamed"].splitlines() if line.startswith("data: {")]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    *void, last = text.split("\n\n[started anew]\n\n")
    assert last == NEXT
    assert set(void) == {"This will never "}


def test_the_conversation_has_one_answer(seen: dict[str, Any]) -> None:
    asked, answered = [entry["message"] for entry in seen["history"]["messages"]]
    assert (asked["role"], asked["text"]) == ("user", "hi")
    assert (answered["role"], answered["parts"]) == ("assistant", [{"type": "text", "text": NEXT}])
    assert (answered["provider"], answered["model"]) == ("sound", "two")


def test_a_terminal_says_that_the_answer_starts_again_and_who_goes_on(seen: dict[str, Any]) -> None:
    assert seen["terminal"].count(NEXT) == 1
    assert seen["terminal"].endswith(f"; sound/two goes on)\n{NEXT}\n")


def test_who_failed_is_listed_with_the_reason(seen: dict[str, Any]) -> None:
    [state] = seen["health"]["models"]
    assert (state["provider"], state["model"], state["kind"]) == ("dying", "one", "unavailable")
    assert "cut the connection" in state["reason"]
    assert seen["status"]["model"] == "safe"
