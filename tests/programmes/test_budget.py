"""Budgets hold, whatever happens at the same time: a whole gateway, its port, and a model server that counts."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from msgspec.structs import replace

from carapax.api import Services
from carapax.app import open_app, supervise
from carapax.cli.rpc import find_gateway
from carapax.clock import Clock
from carapax.config import (
    AgentConfig,
    BudgetConfig,
    Config,
    GatewayConfig,
    Home,
    ModelConfig,
    ProviderConfig,
    UserConfig,
)
from carapax.configfile import load
from carapax.gateway.server import open_gateway
from carapax.redaction import Secret
from carapax.testing import FakeClock
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer, Received
from tests.midday import zone_at_midday
from tests.running import run
from tests.web.served import Process

PRICED = ModelConfig(input_usd=1000, output_usd=5000)
"""A prompt of a thousand tokens costs a dollar."""
STREAMS = 64
NOON = UserConfig(timezone=zone_at_midday())


TOML = """
[agents.main]
model = "fake/priced"
tools = []
max_output_tokens = 100

[providers.fake]
base_url = "{url}"

[models."fake/priced"]
input_usd = 1000.0
output_usd = 5000.0

[budget]
daily_usd = 100.0

[user]
timezone = "{zone}"
"""


class Line:
    """A gateway on a port of its own, and what to ask it for."""

    def __init__(self, url: str, http: ClientSession, services: Services) -> None:
        self._url = url
        self._http = http
        self.services = services

    async def rpc(self, method: str, **params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._http.post(f"{self._url}/rpc", json=request) as response:
            return (await response.json())["result"]

    async def say(self, agent: str = "") -> dict[str, Any]:
        """How the run of a new session ended."""
        sent = await self.rpc("session.message", text="hello", agent=agent, wait=True)
        events = (await self.rpc("session.events", session=sent["session"]))["events"]
        finished: dict[str, Any] = next(each["event"] for each in events if each["event"]["kind"] == "run_finished")
        return finished

    async def standing(self, name: str = "daily") -> dict[str, Any]:
        costs = await self.rpc("costs.get")
        found: dict[str, Any] = next(each for each in costs["budgets"] if each["name"] == name)
        return found


def config(server: str, *, budget: BudgetConfig, **agents: AgentConfig) -> Config:
    one = AgentConfig(model="fake/priced", tools=(), max_output_tokens=100)
    return Config(
        gateway=GatewayConfig(port=0),
        agents=agents or {"main": one},
        providers={"fake": ProviderConfig(base_url=server, dialect="openai_chat")},
        models={"fake/priced": PRICED},
        budget=budget,
        user=NOON,
    )


@asynccontextmanager
async def opened(config: Config, folder: Path, clock: Clock | None = None) -> AsyncGenerator[Line, None]:
    home = Home.resolve(folder, None, None, {})
    async with (
        open_app(config, home, environ={}, clock=clock) as services,
        open_gateway(services, supervise, local=Secret("secret")) as gateway,
        ClientSession() as http,
    ):
        yield Line(f"http://127.0.0.1:{gateway.port}", http, services)


def counting(received: Received) -> Answer:
    """A vendor that counts a token for every four characters, and answers slowly."""
    return Answer("a word or two", input=len(json.dumps(received.body)) // 4, output=80, chunk_delay_s=0.01)


def test_64_parallel_streams_cannot_overrun_a_budget_that_covers_ten(tmp_path: Path) -> None:
    async def main() -> None:
        async with ModelServer(counting) as server:
            async with opened(config(server.url, budget=BudgetConfig(daily_usd=1e6)), tmp_path / "one") as line:
                limit = 10 * await _set_aside_for_one(line)
            server.requests.clear()
            async with opened(config(server.url, budget=BudgetConfig(daily_usd=limit)), tmp_path / "many") as line:
                ends = await asyncio.gather(*(line.say() for _ in range(STREAMS)))
                standing = await line.standing()
                costs = await line.rpc("costs.get")
        done = [end for end in ends if end["reason"] == "done"]
        refused = [end for end in ends if end["reason"] == "failed"]
        assert len(done) == len(server.requests) == costs["total"]["calls"] >= 10
        assert len(done) + len(refused) == STREAMS
        assert 0 < standing["spent_usd"] <= limit
        assert standing["reserved_usd"] == 0
        assert costs["total"]["cost_usd"] == standing["spent_usd"]
        for end in refused:
            assert end["detail"].startswith(f"the daily budget of {limit:,.2f} USD does not cover this call: ")
            assert "begins anew at" in end["detail"]
            assert "raise budget.daily_usd" in end["detail"]

    run(main(), within_s=60)


async def _set_aside_for_one(line: Line) -> float:
    """US dollars that are set aside for one call, while it is under way."""
    async with asyncio.TaskGroup() as group:
        saying = group.create_task(line.say())
        while not (amount := (await line.standing())["reserved_usd"]):
            assert not saying.done()
    return float(amount)


def test_two_agents_with_budgets_of_their_own_share_a_global_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with ModelServer(lambda _: Answer("yes", input=1000, output=100)) as server:
            rich = AgentConfig(model="fake/priced", tools=(), max_output_tokens=100, daily_usd=100)
            poor = AgentConfig(model="fake/priced", tools=(), max_output_tokens=100, daily_usd=2.5)
            chosen = config(server.url, budget=BudgetConfig(monthly_usd=7.1), rich=rich, poor=poor)
            async with opened(chosen, tmp_path) as line:
                ends = [await line.say("poor") for _ in range(3)]
                assert [end["reason"] for end in ends] == ["done", "failed", "failed"]
                assert "the daily budget of agent poor of 2.50 USD" in ends[1]["detail"]
                assert "raise agents.poor.daily_usd" in ends[1]["detail"]
                ends = [await line.say("rich") for _ in range(6)]
                assert [end["reason"] for end in ends] == ["done"] * 3 + ["failed"] * 3
                assert "the monthly budget of 7.10 USD" in ends[3]["detail"]
                standing = [(each["name"], each["spent_usd"]) for each in (await line.rpc("costs.get"))["budgets"]]
                assert standing == [("monthly", 6.0), ("daily of rich", 4.5), ("daily of poor", 1.5)]

    run(main())


def test_a_budget_of_zero_lets_nothing_be_asked_that_costs(tmp_path: Path) -> None:
    async def main() -> None:
        async with ModelServer(lambda _: Answer("yes")) as server:
            async with opened(config(server.url, budget=BudgetConfig(daily_usd=0)), tmp_path) as line:
                end = await line.say()
                assert end["reason"] == "failed"
                assert "the daily budget of 0.00 USD" in end["detail"]
            assert server.requests == []

    run(main())


def test_a_model_of_unknown_price_is_asked_at_the_price_that_is_assumed(tmp_path: Path) -> None:
    async def main() -> None:
        async with ModelServer(lambda _: Answer("yes", input=1_000_000, output=0)) as server:
            agent = AgentConfig(model="fake/nobody-knows-it", tools=(), max_output_tokens=100)
            async with opened(config(server.url, budget=BudgetConfig(daily_usd=1), main=agent), tmp_path) as line:
                assert (await line.say())["reason"] == "done"
                end = await line.say()
                assert end["reason"] == "failed"
                assert "5 USD and 25 USD for a million tokens in and out are assumed" in end["detail"]
                assert '[models."fake/nobody-knows-it"]' in end["detail"]
                costs = await line.rpc("costs.get", by="model")
                assert (costs["total"]["cost_usd"], costs["total"]["unpriced"]) == (5.0, 1)

    run(main())


def test_a_new_day_and_a_new_month_begin_anew_and_what_was_spent_survives_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        clock.set(1_774_997_990.0)  # 2026-03-31 22:59:50 UTC: ten seconds after midnight in Berlin
        clock.advance(-3600)  # ten seconds before it
        async with ModelServer(lambda _: Answer("yes", input=1000, output=100)) as server:
            chosen = config(server.url, budget=BudgetConfig(daily_usd=2.5, monthly_usd=3.5))
            chosen = replace(chosen, user=UserConfig(timezone="Europe/Berlin"))
            async with opened(chosen, tmp_path, clock) as line:
                assert [(await line.say())["reason"] for _ in range(2)] == ["done", "failed"]
            async with opened(chosen, tmp_path, clock) as line:
                assert (await line.say())["reason"] == "failed"
                assert (await line.standing())["spent_usd"] == 1.5
                clock.advance(20)
                assert (await line.standing())["spent_usd"] == 0
                assert (await line.standing("monthly"))["spent_usd"] == 0
                assert (await line.say())["reason"] == "done"
                clock.advance(86_400)
                assert [(await line.say())["reason"] for _ in range(2)] == ["done", "failed"]
                assert (await line.standing("monthly"))["spent_usd"] == 3.0

    run(main())


def test_each_level_of_a_budget_is_told_once_in_the_session_that_reached_it(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with ModelServer(lambda _: Answer("yes", input=1000, output=100)) as server:
            chosen = config(server.url, budget=BudgetConfig(daily_usd=10))
            told = []
            for _ in range(3):
                async with opened(chosen, tmp_path, clock) as line:
                    for _ in range(2):
                        sent = await line.rpc("session.message", text="hello", wait=True)
                        events = (await line.rpc("session.events", session=sent["session"]))["events"]
                        told.append(
                            [
                                (each["event"]["percent"], each["event"]["spent_usd"])
                                for each in events
                                if each["event"]["kind"] == "budget_reached"
                            ]
                        )
            assert told == [[], [], [], [(50, 6.0)], [], [(80, 9.0)]]

    run(main())


def test_every_attempt_is_counted_whoever_answers_in_the_end(tmp_path: Path) -> None:
    """An empty answer, one that was cut, the next model's, and nothing for a vendor that refuses."""

    def answer(received: Received) -> Answer:
        said = [each.body["model"] for each in server.requests].count(received.body["model"])
        match received.body["model"], said:
            case "priced", 1:
                return Answer("", input=100, output=0)
            case "priced", _:
                return Answer("word " * 30, cut_after=8)
            case "refused", _:
                return Answer(status=401)
        return Answer("yes", input=100, output=10)

    server = ModelServer(answer)

    async def main() -> None:
        async with server:
            agent = AgentConfig(model="both", tools=(), max_output_tokens=100)
            one = config(server.url, budget=BudgetConfig(daily_usd=1e6), main=agent)
            models = {f"fake/{name}": PRICED for name in ("priced", "refused", "other")}
            chosen = replace(one, chains={"both": ("fake/priced", "fake/refused", "fake/other")}, models=models)
            async with opened(chosen, tmp_path) as line:
                assert (await line.say())["reason"] == "done"
                groups = (await line.rpc("costs.get", by="model"))["groups"]
                standing = await line.standing()
            asked = [received.body["model"] for received in server.requests]
            counted = {group["name"]: (group["tally"]["calls"], group["tally"]["estimated"]) for group in groups}
            assert counted == {"fake/priced": (asked.count("priced"), asked.count("priced") - 1), "fake/other": (1, 0)}
            assert asked.count("priced") > 1
            assert asked.count("refused") == 1
            assert standing["reserved_usd"] == 0

    run(main())


def test_a_conversation_that_is_shortened_pays_for_its_summary(tmp_path: Path) -> None:
    async def main() -> None:
        async with ModelServer(lambda _: Answer("fact " * 50, input=100, output=10)) as server:
            agent = AgentConfig(model="fake/priced", tools=(), max_output_tokens=100, context_tokens=800)
            chosen = config(server.url, budget=BudgetConfig(daily_usd=1e6), main=agent)
            async with opened(chosen, tmp_path) as line:
                for _ in range(4):
                    sent = await line.rpc("session.message", text="hello " * 150, conversation="one", wait=True)
                events = (await line.rpc("session.events", session=sent["session"]))["events"]
                assert "history_compacted" in [each["event"]["kind"] for each in events]
                calls = (await line.rpc("costs.get"))["total"]["calls"]
            assert calls == len(server.requests) > 4

    run(main())


def test_a_gateway_that_is_killed_during_a_call_counts_all_that_was_set_aside(tmp_path: Path) -> None:
    async def main() -> None:
        asked = asyncio.Event()

        def answer(received: Received) -> Answer:
            asked.set()
            return Answer("word " * 30, stall_after=5)

        async with ModelServer(answer) as server:
            killed = Process(tmp_path / "home", TOML.format(url=server.url, zone=NOON.timezone))
            await asyncio.to_thread(killed.start)
            try:
                gateway = find_gateway(killed.home)
                assert gateway is not None
                said: dict[str, object] = {"text": "hello"}
                await asyncio.to_thread(lambda: gateway.call("session.message", said, dict[str, Any]))
                await asked.wait()
            finally:
                killed.kill()
        chosen = replace(
            load(killed.home), gateway=GatewayConfig(port=0), agents={"main": AgentConfig(model="demo/demo")}
        )
        async with opened(chosen, tmp_path / "home") as line:
            standing = await line.standing()
            assert standing["spent_usd"] > 0.5
            assert (await line.rpc("costs.get"))["total"]["estimated"] == 1

    run(main())
