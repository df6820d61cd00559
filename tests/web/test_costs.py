"""The Costs screen in a real browser: a chart, a table that says the same, and budgets as meters."""

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from carapax.store.spend import DOLLAR, Call
from tests.web import spent
from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")
DAYS = 30


@dataclass(frozen=True)
class Spent:
    """A gateway of a month, and what it paid for."""

    gateway: Process
    calls: list[Call]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Generator[Spent, None, None]:
    process = Process(tmp_path_factory.mktemp("costs") / "home", spent.CONFIG)
    calls = spent.plant(process.home, days=DAYS)
    process.start()
    yield Spent(process, calls)
    process.close()


@pytest.fixture
def gateway(month: Spent) -> Process:
    return month.gateway


@pytest.fixture
def page(browser: Browser, gateway: Process) -> Generator[Browser, None, None]:
    browser.resize(1280, 860)
    browser.open(gateway.url)
    browser.find(".screens a", "Costs").click()
    browser.find(".bars svg")
    yield browser
    assert browser.violations == []
    browser.forget(gateway.url)


def numbers(page: Browser, script: str) -> list[float]:
    found = page.run(f"return {script}")
    assert isinstance(found, list)
    return [float(each) for each in found]


def test_a_bar_stands_for_each_day_and_the_table_says_the_same(page: Browser, month: Spent) -> None:
    assert len(page.all(".bars .bar")) == DAYS
    costs: Counter[str] = Counter()
    for call in month.calls:
        costs[call.model] += call.cost
    rows = page.run("return [...document.querySelectorAll('.spent tbody tr')].map((row) => row.cells[1].innerText)")
    assert rows == [f"${cost / DOLLAR:.2f}" for _, cost in costs.most_common()]
    total = page.find(".figures dd").text
    assert total == f"${costs.total() / DOLLAR:.2f}"
    label = page.find(".bars svg").get_attribute("aria-label") or ""
    assert label.startswith(f"Bar chart: {total} from ")
    heights = "[...document.querySelectorAll('.bars .bar')].map((bar) => [...bar.querySelectorAll('[class^=tone]')]"
    heights += ".reduce((sum, part) => sum + Number(part.getAttribute('height')), 0))"
    drawn = numbers(page, heights)
    assert max(drawn) > 90
    assert min(drawn) == 0
    assert len(page.all(".legend li")) == len(rows) == 4


def test_costs_are_added_up_by_what_a_person_chooses(page: Browser, month: Spent) -> None:
    costs: Counter[str] = Counter()
    for call in month.calls:
        costs[call.session] += call.cost
    dearest = costs.most_common(1)[0][0]
    page.find(".choices button", "Agent").click()
    page.find(".spent tbody th", "research")
    assert page.find(".choices button[aria-pressed=true]").text == "Agent"
    page.find(".choices button", "Session").click()
    assert (page.find(".spent tbody a").get_attribute("href") or "").endswith(f"#/s/{dearest}")
    page.find(".choices button", "Day").click()
    page.until("document.querySelectorAll('.spent tbody tr').length > 20")
    page.find(".choices button", "7 days").click()
    page.until("document.querySelectorAll('.bars .bar').length === 7")


def test_budgets_are_meters_with_names(page: Browser) -> None:
    labels = [meter.get_attribute("aria-label") or "" for meter in page.all("[role=meter]")]
    assert [label.split(":")[0] for label in labels] == ["Daily budget", "Monthly budget", "Monthly budget of research"]
    assert labels[1].endswith(" of $150.00")
    values = numbers(page, "[...document.querySelectorAll('[role=meter]')].map((meter) => meter.ariaValueNow)")
    assert all(0 <= value <= 100 for value in values)


def test_the_screen_fits_a_phone(page: Browser) -> None:
    page.resize(390, 844, phone=True)
    page.until("document.querySelector('.bars svg').clientWidth < 390")
    assert page.run("return document.querySelector('.scroller').scrollWidth") == 390


def test_a_session_shows_what_it_cost_and_leads_there(browser: Browser, tmp_path: Path) -> None:
    process = Process(tmp_path / "home", spent.CONFIG)
    process.start()
    try:
        process.carapax("chat", "-m", "what did I say")
        browser.open(process.url)
        browser.find(".sessions a", "what did I say").click()
        cost = browser.find(".meta .cost", "$")
        assert "calls: 1," in (cost.get_attribute("title") or "")
        cost.click()
        browser.find(".bars svg")
        assert browser.violations == []
    finally:
        process.close()


def test_without_any_cost_the_screen_says_so(browser: Browser, tmp_path: Path) -> None:
    process = Process(tmp_path / "home")
    process.start()
    try:
        browser.resize(1280, 860)
        browser.open(f"{process.url}/#/costs")
        browser.find(".sheet .none", "No model was asked from")
        assert browser.find(".figures dd").text == "$0.00"
        assert browser.violations == []
    finally:
        process.close()


def test_the_steps_of_the_axis_are_round(modules: Browser) -> None:
    steps = modules.run("const { steps } = await import('./chart.js'); return [0, 0.03, 7, 10, 999].map(steps)")
    assert isinstance(steps, list)
    assert [[round(step, 9) for step in each] for each in steps] == [
        [0, 1],
        [0, 0.01, 0.02, 0.03],
        [0, 2, 4, 6, 8],
        [0, 5, 10],
        [0, 500, 1000],
    ]
