"""A collector that is slow, busy, broken or hostile costs telemetry and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from carapax.config import TelemetryConfig
from carapax.http import Http
from carapax.redactor import Redactor
from carapax.telemetry.exporter import QUEUE, Exporter, Sending, is_installed
from carapax.telemetry.meters import Meters
from carapax.telemetry.spans import Span
from carapax.testing import FakeClock
from carapax.testing.vault import MemoryVault
from tests.fakes.collector import Collector, Reply, collector, plain
from tests.running import run

VALUE = "value-of-a-secret-1"


def span(number: int) -> Span:
    return Span("4bf92f3577b34da6a3ce929d0e0e4736", f"{number + 1:016x}", "", f"span {number}", "internal", 1, 2, {})


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SPANS_EVERY_S", 0.01), ("_FIRST_WAIT_S", 0.01), ("_ANSWER_S", 30.0), ("CLOSE_S", 30.0)):
        monkeypatch.setattr(f"carapax.telemetry.exporter.{name}", value)


@asynccontextmanager
async def exporting(url: str, secret: str = VALUE, **more: object) -> AsyncGenerator[tuple[Exporter, Meters], None]:
    config, meters = TelemetryConfig(url, **more), Meters()  # type: ignore[arg-type] # keys of the table as a test has them
    async with Http() as http, asyncio.TaskGroup() as group:
        vault = MemoryVault({"collector": secret})
        exporter = Exporter(lambda: config, Sending(http, FakeClock(), meters, vault, Redactor))
        task = group.create_task(exporter.run())
        await asyncio.sleep(0)
        yield exporter, meters
        task.cancel()


def counts(meters: Meters) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    """What was taken, and what was dropped, of traces."""
    return (
        {key: amount for key, amount in meters.exported.series.items() if key[0] == "traces"},
        {key: amount for key, amount in meters.dropped.series.items() if key[0] == "traces"},
    )


async def settled(meters: Meters) -> None:
    """Wait until a span was taken or dropped."""
    for _ in range(3000):
        exported, dropped = counts(meters)
        if exported or dropped:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def sent(server: Collector, *replies: Reply) -> tuple[dict[tuple[str, ...], float], ...]:
    """What became of one span, to which the collector replies like this."""
    async with exporting(server.url) as (exporter, meters):
        await server.until(metrics=1)
        server.replies = [*replies]
        exporter.add([span(0)])
        await settled(meters)
        server.replies.clear()
        return counts(meters)


def test_spans_and_metrics_arrive_with_headers_from_the_vault() -> None:
    async def scene() -> None:
        async with collector() as server:
            headers = {"x-team": "collector"}
            async with exporting(server.url + "/", otlp_headers=headers, service_name="home") as (exporter, meters):
                exporter.add([span(number) for number in range(3)])
                await server.until(spans=3, metrics=3)
            assert [each.name for each in server.spans] == ["span 0", "span 1", "span 2"]
            assert {headers["x-team"] for headers in server.headers} == {VALUE}
            assert (server.resources[0]["service.name"], counts(meters)[1]) == ("home", {})
            (build,) = [metric for metric in server.metrics if metric.name == "carapax.build.info"][:1]
            assert "version" in plain(build.gauge.data_points[0].attributes)

    run(scene())


@pytest.mark.parametrize(
    ("replies", "taken", "dropped"),
    [
        ([Reply(503), Reply(502), Reply(504)], 1, {}),
        ([Reply(429, {"Retry-After": "0"})], 1, {}),
        ([Reply(429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})], 1, {}),
        ([Reply(cut=True)], 1, {}),
        ([Reply(200, body=b"<html>garbage")], 1, {}),
        ([Reply(200, {"Content-Length": "3"}, b"abc" * 100_000)], 1, {}),
        ([Reply(400)], 0, {"not taken": 1}),
        ([Reply(500)], 0, {"not taken": 1}),
        ([Reply(307, {"Location": "http://127.0.0.1:1"})], 0, {"not taken": 1}),
        ([Reply(503)] * 4, 0, {"not taken": 1}),
        ([Reply(rejected=1)], 0, {"refused": 1}),
        ([Reply(rejected=9)], 0, {"refused": 1}),
        ([Reply(rejected=-9)], 1, {}),
    ],
)
def test_a_collector_that_misbehaves_costs_only_telemetry(
    replies: list[Reply], taken: int, dropped: dict[str, int]
) -> None:
    async def scene() -> None:
        async with collector() as server:
            exported, lost = await sent(server, *replies)
            assert exported.get(("traces",), 0) == taken
            assert lost == {("traces", reason): count for reason, count in dropped.items()}

    run(scene())


def test_one_that_is_silent_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.telemetry.exporter._ANSWER_S", 1.0)

    async def scene() -> None:
        async with collector() as server:
            exported, lost = await sent(server, Reply(delay_s=600))
            assert (exported, lost) == ({("traces",): 1}, {})

    run(scene())


def test_what_waits_is_bounded_and_what_is_dropped_is_counted() -> None:
    async def scene() -> None:
        exporter = Exporter(
            lambda: TelemetryConfig("http://127.0.0.1:1"),
            Sending(Http(), FakeClock(), meters := Meters(), MemoryVault(), Redactor),
        )
        exporter.add([span(number) for number in range(QUEUE + 5)])
        exporter.add([span(0)])
        assert meters.dropped.series == {("traces", "queue full"): 6}

    run(scene())


def test_the_end_waits_a_moment_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_ANSWER_S", 600.0), ("CLOSE_S", 0.5)):
        monkeypatch.setattr(f"carapax.telemetry.exporter.{name}", value)

    async def scene() -> None:
        async with collector(*[Reply(delay_s=600)] * 9) as server:
            async with exporting(server.url) as (exporter, meters):
                exporter.add([span(0)])
                await server.until(requests=1)
            assert counts(meters) == ({}, {("traces", "shutdown"): 1})

    run(scene())


def test_what_is_left_at_the_end_is_sent() -> None:
    async def scene() -> None:
        async with collector() as server:
            async with exporting(server.url) as (exporter, _):
                await server.until(metrics=1)
                exporter.add([span(0)])
            assert [each.name for each in server.spans] == ["span 0"]

    run(scene())


def test_a_header_without_its_secret_is_told_of_and_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with collector() as server:
            async with exporting(server.url, otlp_headers={"x-team": "missing"}) as (exporter, meters):
                exporter.add([span(0)])
                await settled(meters)
            assert server.bodies == []

    run(scene())
    assert "there is no secret 'missing' for the header x-team" in caplog.text


@pytest.mark.parametrize(("kept", "sent"), [(f"{VALUE}\n", True), (f"{VALUE}\nx: y", False)])
def test_a_line_end_in_a_secret_is_no_part_of_a_header(caplog: pytest.LogCaptureFixture, kept: str, sent: bool) -> None:
    async def scene() -> None:
        async with collector() as server:
            async with exporting(server.url, kept, otlp_headers={"x-team": "collector"}) as (exporter, meters):
                exporter.add([span(0)])
                await settled(meters)
            assert bool(server.bodies) is sent

    run(scene())
    assert ("the secret 'collector' has a line end within" in caplog.text) is not sent


def test_the_part_that_writes_is_here() -> None:
    assert is_installed()
