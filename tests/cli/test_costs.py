"""`carapax costs`."""

from pathlib import Path

import msgspec
import pytest

from carapax.agent.costs import Costs
from carapax.cli.costs import chart, usd
from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.store.spend import Group, Tally
from tests.cli.conftest import CONFIG, Run
from tests.midday import zone_at_midday

PRICED = (
    CONFIG
    + f"""
daily_usd = 50

[user]
timezone = "{zone_at_midday()}"

[budget]
monthly_usd = 1000

[models."demo/demo"]
input_usd = 1000
output_usd = 1000
"""
)


@pytest.fixture
def priced(home: Home) -> Path:
    home.config_file.write_text(PRICED)
    return home.config_file


def said(run: Run) -> Costs:
    assert run("chat", "-m", "what did I say").exit_code == 0
    return msgspec.json.decode(run("costs", "--json").output, type=Costs)


def test_what_was_spent_is_read_from_the_database_of_a_gateway_that_does_not_run(priced: Path, run: Run) -> None:
    costs = said(run)
    assert costs.total.calls == len(costs.groups) == 1
    assert costs.total.cost_usd == round((costs.total.input + costs.total.output) / 1000, 9) > 0
    shown = run("costs", "--by", "model").output.splitlines()
    assert shown[1].startswith(f"{costs.total.cost_usd:.2f} USD in 1 call: {costs.total.input:,} tokens in, ")
    assert shown[3].split()[:2] == ["demo/demo", f"{costs.total.cost_usd:.2f}"]
    assert set(shown[3].split()[2]) == {"#"}
    assert shown[5].startswith(f"budget monthly: {costs.total.cost_usd:.2f} of 1,000.00 USD (")
    assert shown[6].startswith("budget daily of main: ")


def test_what_was_spent_is_asked_of_the_gateway_that_runs(priced: Path, run: Run, gateway: Serving) -> None:
    costs = said(run)
    assert (costs.total.calls, len(costs.budgets)) == (1, 2)
    sessions = msgspec.json.decode(run("costs", "--by", "session", "--json").output, type=Costs)
    assert [group.title for group in sessions.groups] == ["what did I say"]
    assert [(part.name, part.cost_usd) for part in sessions.parts] == [(sessions.groups[0].name, costs.total.cost_usd)]


def test_a_home_that_has_spent_nothing_says_so(run: Run, gateway: Serving) -> None:
    assert run("costs", "--days", "1").output.splitlines()[1:] == ["0.00 USD in 0 calls: 0 tokens in, 0 out"]


def test_bars_are_as_long_as_what_they_stand_for() -> None:
    groups = [Group("one", "", Tally(cost_usd=1.0)), Group("two", "", Tally(cost_usd=0.25)), Group("0", "", Tally())]
    assert list(chart(groups, 28, plain=True)) == [
        "one  1.00  ################",
        "two  0.25  ####",
        "0    0.00",
    ]
    assert list(chart(groups, 25, plain=False)) == ["one  1.00  █████████████", "two  0.25  ███▎", "0    0.00"]


def test_a_name_cannot_command_the_terminal() -> None:
    [line] = chart([Group("\x1b[31mred", "", Tally(cost_usd=1.0))], 40, plain=True)
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0.00"), (1234.5, "1,234.50"), (0.0042, "0.0042"), (0.000000007, "0.000000007")]
)
def test_an_amount_says_something_however_small(amount: float, text: str) -> None:
    assert usd(amount) == text
