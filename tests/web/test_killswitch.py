"""The kill switch of the page in a real browser."""

from collections.abc import Generator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home")
    process.start()
    yield process
    process.close()


def test_a_person_stops_all_agents_and_releases_them(browser: Browser, gateway: Process) -> None:
    browser.resize(1280, 860)
    browser.open(gateway.url)
    browser.find(".badge", "Offline demo")
    browser.type("run `sleep 600`", Keys.ENTER)
    browser.find("details.tool[data-state=running] summary")
    browser.find("[aria-label='Stop all agents']").click()
    browser.find("dialog input").send_keys("too much")
    browser.find("dialog .primary").click()
    assert "by local" in browser.find(".banner.stopped", "too much").text
    browser.find(".notice", "all agents were stopped by local: too much")
    gateway.kill()
    gateway.start()
    browser.open(gateway.url)
    browser.find(".badge", "Offline demo")
    browser.find(".banner.stopped", "too much")
    browser.type("what did I say", Keys.ENTER)
    browser.find(".user.waiting")
    browser.find(".banner.stopped button", "Release").click()
    browser.find("dialog .primary").click()
    browser.find(".answer")
    browser.until("document.querySelector('.banner.stopped').hidden")
    assert browser.violations == []
    browser.forget(gateway.url)
