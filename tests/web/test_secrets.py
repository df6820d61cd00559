"""The Secrets screen in a real browser."""

from collections.abc import Generator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")
CONFIG = """
[gateway]
port = 0

[credentials.crm]
secret = "crm/key"
agents = ["main"]
hosts = ["crm.example.org"]
"""
VALUE = "a-value-nobody-sees-again"


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home", CONFIG)
    process.start()
    yield process
    process.close()


def test_a_secret_is_kept_changed_and_removed_and_its_value_is_never_shown(browser: Browser, gateway: Process) -> None:
    browser.resize(1280, 860)
    browser.open(f"{gateway.url}/#/secrets")
    browser.find(".secrets .note", "agents: main, goes to: crm.example.org")
    browser.find(".secrets .actions .button", "Add a secret").click()
    browser.find(".secrets .form input").send_keys("no good name")
    browser.find(".secrets .form input[type=password]").send_keys(VALUE)
    browser.find(".secrets .form .button.primary").click()
    browser.until("document.querySelector('.form [aria-invalid=true], .form > .problem')?.checkVisibility()")
    name = browser.find(".secrets .form input")
    name.clear()
    name.send_keys("crm/key\n")
    row = browser.find(".secrets tbody tr", "secret:crm, agents: main")
    assert gateway.carapax("secrets", "list").startswith("crm/key")
    row.find_element(By.XPATH, ".//button[.='Change']").click()
    browser.find(".secrets .card", "New value of crm/key").find_element(By.CSS_SELECTOR, "input").send_keys("other\n")
    browser.until("!document.querySelector('.secrets .form')")
    browser.find(".secrets tbody .danger").click()
    browser.find("dialog", "It is used: secret:crm, agents: main").find_element(
        By.CSS_SELECTOR, ".button.primary"
    ).click()
    browser.find(".secrets .none", "Nothing is kept secret yet.")
    assert VALUE not in str(browser.run("return document.documentElement.outerHTML"))
    assert browser.violations == []
    browser.forget(gateway.url)
