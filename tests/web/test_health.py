"""The Health screen in a real browser."""

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from carapax.api import Services
from carapax.config import Config, GatewayConfig
from tests.web.accessible import violations
from tests.web.browser import MISSING, Browser
from tests.web.served import Process, served

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")


HOLES = """
    const cards = [...document.querySelectorAll(".findings .card")].map((each) => each.getBoundingClientRect());
    const pairs = cards.slice(1).map((card, at) => [cards[at], card]).filter(([one, two]) => one.left === two.left);
    return pairs.map(([one, two]) => two.top - one.bottom).filter((gap) => gap > 16);
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home")
    process.start()
    yield process
    process.close()


def test_what_is_wrong_is_shown_with_a_button_that_repairs_it(browser: Browser, gateway: Process) -> None:
    config = gateway.home.config_file
    config.chmod(0o644)
    browser.resize(1280, 860)
    browser.open(f"{gateway.url}/#/health")
    browser.find(".health .summary", "To look at")
    browser.find(".health .card", f"Other users can get at {config}").find_element("css selector", "button").click()
    browser.find(".health .repaired", f"only you can get at {config} now")
    assert config.stat().st_mode & 0o777 == 0o600
    browser.until("!document.querySelector('.findings .button')")
    browser.find(".health .card", "The clock can be right")
    browser.find(".health .summary:not(:has(progress))")
    assert browser.run(HOLES) == []
    config.chmod(0o604)
    browser.find(".health .actions .button", "Look again").click()
    browser.find(".health .summary", "To look at")
    browser.find(".health .card", "Other users can get at")
    assert browser.violations == []
    browser.forget(gateway.url)


def test_who_is_banned_is_shown_and_let_in_again(browser: Browser, tmp_path: Path) -> None:
    async def guess(services: Services) -> None:
        for number in range(10):
            services.bans.fail("192.0.2.1", str(number).encode(), asyncio.get_running_loop().time())

    with served(tmp_path, [], Config(gateway=GatewayConfig(port=0))) as gateway:
        gateway.run(guess(gateway.services))
        browser.resize(1280, 860)
        browser.open(f"{gateway.url}/#/health")
        browser.find(".health .summary:not(:has(progress))")
        browser.find(".health .card", "192.0.2.1, until").find_element("css selector", "button").click()
        browser.until("!document.querySelector('.health').textContent.includes('192.0.2.1')")
        assert (violations(browser), browser.violations) == ([], [])
        browser.forget(gateway.url)
