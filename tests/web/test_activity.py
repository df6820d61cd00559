"""The Activity screen in a real browser."""

from collections.abc import Generator
from pathlib import Path

import apsw
import pytest

from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home")
    process.start()
    yield process
    process.close()


def test_what_was_done_is_listed_filtered_and_verified(browser: Browser, gateway: Process) -> None:
    gateway.carapax("stop-agents", "too loud")
    gateway.carapax("stop-agents", "--release")
    browser.resize(1280, 860)
    browser.open(gateway.url)
    browser.find(".screens a", "Activity").click()
    stopped = browser.find(".activity tbody tr", "agents.stop").text
    assert ("local" in stopped, "reason: too loud" in stopped) == (True, True)
    browser.find(".activity select option[value=token]").click()
    browser.find(".activity .none", "Nothing of this was recorded.")
    browser.find(".activity select option[value=agents]").click()
    browser.find(".activity tbody tr", "agents.release")
    browser.find(".activity button", "Verify").click()
    browser.find(".chain", "All entries are as they were written: 3.")
    with apsw.Connection(str(gateway.home.database_file)) as connection:
        connection.execute("UPDATE audit SET body = replace(body, 'loud', 'long')")
    connection.close()
    browser.find(".activity button", "Verify").click()
    browser.find(".chain.bad", "entry 2 is not as it was written")
    browser.resize(360, 740, phone=True)
    browser.until("document.documentElement.scrollWidth <= innerWidth")
    assert browser.violations == []
    browser.resize(1280, 860)
    browser.forget(gateway.url)
