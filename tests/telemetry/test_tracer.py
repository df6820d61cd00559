"""A whole gateway and a collector: what happened is read back from there."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from carapax.app import open_app, supervise
from carapax.config import AgentConfig, Config, Home, ProviderConfig, TelemetryConfig
from carapax.contracts import ToolContext
from carapax.events import RunFinished
from carapax.gateway.server import open_gateway
from carapax.redaction import MASK, Secret
from carapax.testing import Pause, ScriptedProvider, call
from carapax.testing.gateway import LOCAL_SECRET, GatewayClient
from carapax.testing.provider import Script
from carapax.tool import tool
from tests.fakes.answer import Answer, Call
from tests.fakes.collector import Collector, Reply, collector, plain
from tests.fakes.model_server import ModelServer
from tests.running import run
from tests.sessions.opened import opened

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALUE = "value-of-a-secret-1"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.telemetry.exporter.SPANS_EVERY_S", 0.01)
    monkeypatch.setattr("carapax.telemetry.exporter.CLOSE_S", 0.5)


def names(spans: list[Span]) -> list[str]:
    return sorted(span.name for span in spans)


@tool(effects=("read",), rerun="pure", source="own")
async def look(context: ToolContext, where: str) -> str:  # noqa: D417 - the context is not for the model
    """Look somewhere.

    Args:
        where: where to look
    """
    return f"nothing is {where}, but {VALUE}"


@asynccontextmanager
async def traced(
    folder: Path, answers: Sequence[Answer], *, content: bool = False
) -> AsyncGenerator[tuple[GatewayClient, Collector], None]:
    """A gateway whose first model does not answer and whose second does, and a collector."""
    async with collector() as server, ModelServer([Answer(status=401)] * 9) as bad, ModelServer(answers) as good:
        config = Config(
            providers={
                "bad": ProviderConfig(dialect="openai_chat", base_url=bad.url, key=Secret(VALUE)),
                "good": ProviderConfig(dialect="openai_chat", base_url=good.url),
            },
            chains={"both": ("bad/one", "good/two")},
            agents={"main": AgentConfig(model="both")},
            telemetry=TelemetryConfig(server.url, content=content),
        )
        async with (
            open_app(config, Home(folder, folder / "data"), environ={}, tools=[look]) as services,
            open_gateway(services, supervise, local=Secret(LOCAL_SECRET)) as gateway,
            ClientSession() as http,
        ):
            url = f"http://127.0.0.1:{gateway.port}"
            yield GatewayClient(url, http, services, gateway, ScriptedProvider(())), server


def test_a_turn_is_read_back_from_the_collector_under_the_call_that_brought_it(tmp_path: Path) -> None:
    async def scene() -> None:
        answers = [Answer(calls=(Call("look", '{"where": "here"}'),)), Answer("all is well", input=100, output=20)]
        async with traced(tmp_path, answers) as (client, server):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            said = {"text": "a question"}
            async with client.call("POST", "/api/messages", json={**said, "wait": True}, headers=headers) as response:
                session = (await response.json())["session"]
            await server.until(spans=5)
        assert names(server.spans) == [
            "chat one",
            "chat two",
            "chat two",
            "execute_tool look",
            "invoke_agent main",
        ]
        (whole,) = [span for span in server.spans if span.name.startswith("invoke")]
        assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, PARENT)
        assert {span.parent_span_id for span in server.spans if span is not whole} == {whole.span_id}
        assert {plain(span.attributes)["gen_ai.conversation.id"] for span in server.spans} == {session}
        assert [span.name for span in server.spans if span.status.code == 2] == ["chat one"]
        sent = b"".join(server.bodies)
        words = (b"a question", b"all is well", b"nothing is", VALUE.encode())
        assert [word for word in words if word in sent] == []
        assert {"gen_ai.client.operation.duration", "carapax.runs"} <= {metric.name for metric in server.metrics}

    run(scene())


def test_with_content_what_was_said_is_sent_without_secrets(tmp_path: Path) -> None:
    async def scene() -> None:
        answers = [Answer(calls=(Call("look", '{"where": "here"}'),)), Answer(f"it is {VALUE}")]
        async with traced(tmp_path, answers, content=True) as (client, server):
            await client.rpc("session.message", text=f"tell {VALUE}", wait=True)
            await server.until(spans=5)
        sent = b"".join(server.bodies)
        assert VALUE.encode() not in sent
        told = [f"nothing is here, but {MASK}", f"it is {MASK}", f"tell {MASK}"]
        assert [word for word in told if word.encode() not in sent] == []

    run(scene())


def test_a_call_that_is_not_sampled_is_not_sent(tmp_path: Path) -> None:
    async def scene() -> None:
        async with traced(tmp_path, [Answer("one"), Answer("two")]) as (client, server):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
            async with client.call("POST", "/api/messages", json={"text": "a", "wait": True}, headers=headers):
                pass
            await client.rpc("session.message", text="b", wait=True)
            await server.until(spans=2)
        assert TRACE not in {span.trace_id.hex() for span in server.spans}

    run(scene())


def test_a_run_that_a_restart_cut_short_is_told_whole_and_goes_on_in_its_trace(tmp_path: Path) -> None:
    async def scene() -> None:
        pause = Pause()
        script: Script = [call("look", where="here"), (pause, "never")]
        async with collector() as server:
            config = Config(telemetry=TelemetryConfig(server.url))
            async with opened(tmp_path, script, tools=[look], config=config) as gateway:
                session = await gateway.say("hello")
                await pause.reached()
            assert server.spans == []
            async with opened(tmp_path, ["the answer"], tools=[look], config=config) as gateway:
                await gateway.until(session, lambda kept: kept.event == RunFinished("done"))
                await server.until(spans=5)
        runs = [span for span in server.spans if span.name == "invoke_agent main"]
        assert [plain(span.attributes)["carapax.run.reason"] for span in runs] == ["interrupted", "done"]
        assert len({span.trace_id for span in server.spans}) == 1
        assert names(server.spans).count("execute_tool look") == 1

    run(scene())


def test_a_collector_that_does_not_answer_holds_up_no_turn(tmp_path: Path) -> None:
    async def scene() -> None:
        async with collector(*[Reply(delay_s=60)] * 50) as server:
            config = Config(telemetry=TelemetryConfig(server.url))
            async with opened(tmp_path, ["one", "two", "three"], config=config) as gateway:
                session = ""
                for _ in range(3):
                    after = (await gateway.journal.session(session)).seq if session else 0
                    session = await gateway.say("hello", session)
                    await gateway.finished(session, after)
                await server.until(requests=1)
                assert gateway.services.gauges.meters.exported.series == {}

    run(scene())


def test_a_collector_that_is_named_while_the_gateway_runs_is_sent_to(tmp_path: Path) -> None:
    async def scene() -> None:
        async with collector() as server, opened(tmp_path, ["one", "two"]) as gateway:
            settings = gateway.services.settings
            await settings.change({("telemetry", "otlp_endpoint"): server.url})
            session = await gateway.say("hello")
            await gateway.finished(session)
            await server.until(spans=2, metrics=5)
            assert names(server.spans) == ["chat model", "invoke_agent main"]
            assert ("hello" in str(server.bodies), server.resources[-1]["service.name"]) == (False, "carapax")
            await gateway.services.registry.keep_secret("collector", Secret("v1"))
            changes = {"service_name": "home", "content": True, "otlp_headers": {"x-team": "collector"}}
            await settings.change({("telemetry", name): value for name, value in changes.items()})
            await gateway.finished(await gateway.say("hello"))
            await server.until(spans=4)
            assert ("hello" in str(server.bodies), server.resources[-1]["service.name"]) == (True, "home")
            assert server.headers[-1]["x-team"] == "v1"

    run(scene())
