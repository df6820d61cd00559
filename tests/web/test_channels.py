"""The Channels screen in a real browser."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from carapax.config import Config, GatewayConfig
from tests.web.accessible import unreachable
from tests.web.browser import MISSING, Browser
from tests.web.served import served
from tests.web.test_approvals import rules_broken

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")
NAME = "tests.fakes.live_channel"


def test_a_channel_is_shown_checked_changed_and_removed(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "carapax.toml").write_text(f'[channels."{NAME}"]\n')
    with served(tmp_path, [], Config(gateway=GatewayConfig(port=0), channels={NAME: {}})) as gateway:
        browser.resize(1280, 860)
        browser.open(gateway.url)
        browser.find(".screens a", "Channels").click()
        browser.find(".channels tbody tr", "Listens").find_element(By.CSS_SELECTOR, "button").click()
        browser.find(".channels td [role=status]", "live")
        browser.find(".channels .card .button", "Settings").click()
        browser.find(".channels .form").find_element(By.XPATH, ".//label[.='greeting']/..//input").send_keys("hi\n")
        browser.until("!document.querySelector('.channels .form')")
        assert gateway.services.config.channels[NAME] == {"greeting": "hi"}
        assert rules_broken(browser) == {}
        browser.find(".channels .card .button", "Settings").click()
        browser.find(".channels .form")
        assert rules_broken(browser) == {}
        assert unreachable(browser) == []
        browser.find(".channels .form .button", "Cancel").click()
        assert browser.violations == []
        browser.find(".channels .card .danger").click()
        browser.find("dialog .button.primary").click()
        browser.find(".channels .none", "No channel listens.")
        browser.open(f"{gateway.url}/#/")
        browser.find(".screens a", "Activity")
        assert "Channels" not in browser.find(".screens").text
        browser.forget(gateway.url)
