"""The Activity screen in a real browser."""

from collections.abc import Generator
from pathlib import Path

import apsw
import pytest

from tests.web.accessible import overflowing, violations
from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")


@pytest.fixture
def gateway(browser: Browser, tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home", "[budget]\ndaily_usd = 6.0\n")  # that there is one is logged
    process.start()
    browser.resize(1280, 860)
    yield process
    browser.resize(1280, 860)
    browser.forget(process.url)
    process.close()


def tab(browser: Browser, name: str) -> None:
    browser.find(".activity [role=tab]", name).click()


def test_what_was_done_is_listed_filtered_and_verified(browser: Browser, gateway: Process) -> None:
    gateway.carapax("stop-agents", "too loud")
    gateway.carapax("stop-agents", "--release")
    browser.open(gateway.url)
    browser.find(".screens a", "Activity").click()
    tab(browser, "Who did what")
    stopped = browser.find(".activity tbody tr", "agents.stop").text
    assert ("local" in stopped, "reason: too loud" in stopped) == (True, True)
    browser.find(".activity select option[value=token]").click()
    browser.find(".activity .none", "Nothing of this was recorded.")
    browser.find(".activity select option[value=agents]").click()
    browser.find(".activity tbody tr", "agents.release")
    browser.find(".activity button", "Verify").click()
    browser.find(".chain", "All entries are as they were written: 4.")
    connection = apsw.Connection(str(gateway.home.database_file))
    connection.set_busy_timeout(5_000)  # the gateway may be writing
    connection.execute("UPDATE audit SET body = replace(body, 'loud', 'long')")
    connection.close()
    browser.find(".activity button", "Verify").click()
    browser.find(".chain.bad", "entry 3 is not as it was written")
    browser.resize(360, 740, phone=True)
    browser.until("document.documentElement.scrollWidth <= innerWidth")
    assert browser.violations == []


def test_events_of_all_sessions_show_as_they_come_and_lead_to_their_place(browser: Browser, gateway: Process) -> None:
    browser.open(f"{gateway.url}/#/activity")
    browser.find(".live .none", "Nothing has happened")
    browser.run("await new Promise((done) => setTimeout(done))")
    gateway.carapax("chat", "-m", "run `uname -a`")
    browser.find(".live-list li", "Run finished")
    browser.find(".live-list li", "Tool called")
    browser.find(".live-list li", "Answer streams")
    browser.find(".live select option[value=kept]").click()
    browser.until("""[...document.querySelectorAll('.live-list li')].every((row) =>
        row.hidden === /streams|prints|is written/.test(row.querySelector('.kind').textContent))""")
    assert (violations(browser), browser.violations) == ([], [])
    browser.find(".live-list li a").click()
    browser.find(".timeline .event", "Run finished")


def test_a_run_is_a_waterfall_and_the_log_is_searched(browser: Browser, gateway: Process) -> None:
    gateway.carapax("chat", "-m", "run `uname -a`")
    browser.open(f"{gateway.url}/#/activity/traces")
    browser.find(".waterfall li", "Tool · shell")
    browser.find(".waterfall li", "Model · demo/demo")
    browser.find(".runs .badge", "done")
    assert (violations(browser), browser.violations) == ([], [])
    browser.resize(360, 740, phone=True)
    assert overflowing(browser) == []
    browser.resize(1280, 860)
    tab(browser, "Log")
    browser.find(".log tbody tr")
    browser.find(".log input[type=search]").send_keys("nothing like this\n")
    browser.find(".log .none")
    assert (violations(browser), browser.violations) == ([], [])
