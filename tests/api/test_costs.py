"""costs.get, over the wire."""

import pytest

from carapax.config import BudgetConfig, Config, GatewayConfig, UserConfig
from carapax.contracts import Spend, Spender
from carapax.messages import Usage
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.midday import zone_at_midday
from tests.running import run

USER = UserConfig(timezone=zone_at_midday())
CONFIG = Config(gateway=GatewayConfig(port=0), budget=BudgetConfig(daily_usd=20), user=USER)


async def spent(client: GatewayClient) -> None:
    accounts = client.services.accounts
    for nth in range(9):
        reservation = await accounts.reserve(Spender("main", f"s{nth}", "r"), "p", f"m{nth}", 10**9)
        usage = Usage(100, 20, cache_read=50, reasoning=5)
        await accounts.settle(reservation, Spend("p", f"m{nth}", usage, (nth + 1) * 10**8, estimated=nth == 0))
    await client.services.accounts.database.transact([])


def test_costs_are_added_up_by_model() -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as client:
            await spent(client)
            costs = await client.rpc("costs.get", by="model", days=2, limit=8)
            today = costs["until"]
            assert costs["total"] == {
                "calls": 9,
                "input": 900,
                "cache_read": 450,
                "cache_write": 0,
                "output": 180,
                "reasoning": 45,
                "tool": 0,
                "cost_usd": 4.5,
                "estimated": 1,
                "unpriced": 0,
            }
            assert [group["name"] for group in costs["groups"]] == [f"p/m{nth}" for nth in range(8, 0, -1)]
            parts = [(part["day"], part["name"], round(part["cost_usd"], 9)) for part in costs["parts"]]
            assert parts == [(today, f"p/m{nth}", (nth + 1) / 10) for nth in range(2, 9)] + [(today, "", 0.3)]
            [budget] = costs["budgets"]
            assert (budget["name"], budget["spent_usd"], budget["limit_usd"]) == ("daily", 4.5, 20.0)
            assert costs["since"] < today

    run(main())


def test_costs_have_an_address() -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as client:
            await spent(client)
            async with client.call("GET", "/api/costs?by=agent&since=2020-01-01&until=2020-01-31") as response:
                costs = await response.json()
            assert (costs["since"], costs["until"], costs["groups"], costs["parts"]) == (
                "2020-01-01",
                "2020-01-31",
                [],
                [],
            )

    run(main())


def test_a_session_says_what_it_cost() -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as client:
            await spent(client)
            tallies = [await client.rpc("costs.session", session=name) for name in ("s3", "nobody")]
            assert [(tally["calls"], tally["cost_usd"]) for tally in tallies] == [(1, 0.4), (0, 0.0)]

    run(main())


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"since": "2026-13-01"}, "2026-13-01 is no day"),
        ({"until": "yesterday"}, "until"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "comes after"),
        ({"by": "moon"}, "by"),
        ({"days": 0}, "days"),
    ],
)
def test_a_period_that_is_none_is_refused(params: dict[str, object], why: str) -> None:
    async def main() -> None:
        async with gateway_client(config=CONFIG) as client:
            with pytest.raises(RuntimeError, match=why):
                await client.rpc("costs.get", **params)

    run(main())
