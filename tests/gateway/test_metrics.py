"""`GET /metrics`, as Prometheus sees it."""

from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parsed

from carapax.config import AgentConfig, Config, ProviderConfig
from carapax.gateway.metrics import route_of
from carapax.redaction import Secret
from carapax.telemetry.exposition import name_of
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.api.real_models import gateway_on
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.running import run
from tests.telemetry.reading import opened


async def scraped(client: GatewayClient, accept: str = "") -> dict[str, Metric]:
    async with client.call("GET", "/metrics", headers={"Accept": accept}) as response:
        assert response.status == 200
        text = await response.text()
        read = opened(text) if "openmetrics" in response.content_type else parsed(text)
        return {family.name: family for family in read}


def value(families: dict[str, Metric], name: str, sample: str = "", **labels: str) -> float:
    return sum(
        each.value
        for each in families[name].samples
        if each.name == (sample or each.name) and labels.items() <= each.labels.items()
    )


def test_a_turn_is_counted_from_its_request_to_its_tokens(tmp_path: Path) -> None:
    async def scene() -> None:
        answers = [Answer(status=503), Answer("hello", input=100, output=20)]
        async with ModelServer(answers) as server:
            mine = ProviderConfig(dialect="openai_chat", base_url=server.url)
            config = Config(providers={"mine": mine}, agents={"main": AgentConfig(model="mine/odd")})
            async with gateway_on(tmp_path, config) as client:
                await client.rpc("session.message", text="hello", wait=True)
                found = await scraped(client)
        model = {"gen_ai_provider_name": "mine", "gen_ai_request_model": "odd"}
        calls = "gen_ai_client_operation_duration_seconds"
        assert value(found, calls, f"{calls}_count", **model) == 2
        assert value(found, calls, f"{calls}_count", **model, error_type="ModelUnavailable") == 1
        assert value(found, "carapax_tokens", kind="input", **model) >= 100
        assert value(found, "carapax_runs", gen_ai_agent_name="main", reason="done") == 1
        assert value(found, "carapax_messages_received", channel="api", trust="owner") == 1
        assert value(found, "carapax_messages_waiting") == 0
        requests = "http_server_request_duration_seconds"
        labels = {"http_route": "/rpc", "http_response_status_code": "200"}
        assert value(found, requests, f"{requests}_count", **labels) == 1
        assert value(found, "carapax_store_commit_duration_seconds", "carapax_store_commit_duration_seconds_count") > 2

    run(scene())


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_every_metric_is_there_in_both_formats(accept: str) -> None:
    async def scene() -> None:
        async with gateway_client(["hello"]) as client:
            await client.rpc("session.message", text="hello", wait=True)
            found = await scraped(client, accept)
            assert set(found) == {name_of(family) for family in client.services.gauges.meters.all()}
            assert value(found, "carapax_uptime_seconds") >= 0
            assert value(found, "process_memory_usage_bytes") > 1_000_000

    run(scene())


def test_a_stranger_sees_no_metrics() -> None:
    async def scene() -> None:
        async with gateway_client() as client:
            _, secret = await client.services.tokens.create("reader", ("read",))
            async with client.call("GET", "/metrics") as response:
                assert response.status == 401
            headers = {"Authorization": f"Bearer {secret.reveal()}"}
            async with client.call("GET", "/metrics", headers=headers) as response:
                assert response.status == 200
            async with client.call("POST", "/metrics", headers=headers) as response:
                assert response.status == 405

    run(scene())


def test_a_secret_in_a_label_is_masked(tmp_path: Path) -> None:
    async def scene() -> None:
        async with ModelServer(lambda received: Answer("hello")) as server:
            mine = ProviderConfig(dialect="openai_chat", base_url=server.url, key=Secret("value-of-a-secret-1"))
            config = Config(providers={"mine": mine}, agents={"main": AgentConfig(model="mine/value-of-a-secret-1")})
            async with gateway_on(tmp_path, config) as client:
                await client.rpc("session.message", text="hello", wait=True)
                async with client.call("GET", "/metrics") as response:
                    text = await response.text()
        assert "value-of-a-secret-1" not in text
        assert 'gen_ai_request_model="********"' in text

    run(scene())


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "page"),
        ("/app.js", "page"),
        ("/ws", "/ws"),
        ("/metrics", "/metrics"),
        ("/login", "sign-in"),
        ("/v1/models", "/v1"),
        ("/api/sessions/x", "/api"),
        ("/status", "/api"),
    ],
)
def test_paths_are_counted_by_what_they_are_for(path: str, route: str) -> None:
    assert route_of(path) == route
