"""The screen of tools and the policy in a real browser."""

from collections.abc import Generator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from carapax.config import RuleConfig
from carapax.configfile import load
from tests.web.accessible import overflowing, violations
from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")
CONFIG = """
[gateway]
port = 0

# never
[[policy.rules]]
verdict = "deny"
tool = "shell"
commands = ["rm"]
reason = "nothing is removed"
"""


@pytest.fixture
def gateway(browser: Browser, tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home", CONFIG)
    process.start()
    browser.resize(1280, 860)
    browser.open(f"{process.url}/#/tools")
    yield process
    browser.resize(1280, 860)
    browser.forget(process.url)
    process.close()


def tab(page: Browser, name: str) -> None:
    page.find(".tools [role=tab]", name).click()


def test_tools_say_what_they_may_do_and_a_call_is_tried(browser: Browser, gateway: Process) -> None:
    browser.find(".tools tbody tr", "web_fetch")
    assert "words of others" in browser.find(".tools tbody tr", "web_fetch").text
    assert (violations(browser), browser.violations) == ([], [])
    tab(browser, "Try a call")
    given = browser.find(".tools textarea")
    given.clear()
    given.send_keys("timeout 5 rm notes.txt")
    given.submit()
    card = browser.find(".tools .card", "nothing is removed").text
    assert ("Deny" in card, "policy.rules.1" in card, "runs: rm notes.txt" in card) == (True, True, True)
    assert (violations(browser), browser.violations) == ([], [])


def test_rules_are_added_ordered_changed_and_removed(browser: Browser, gateway: Process) -> None:
    tab(browser, "Rules")
    browser.find(".tools .button", "Add a rule").click()
    form = browser.find(".tools .card .form")
    Select(form.find_element(By.CSS_SELECTOR, "select")).select_by_value("ask")
    form.find_element(By.XPATH, ".//label[.='commands']/..//textarea").send_keys("git push **")
    form.find_element(By.XPATH, ".//label[.='reason']/..//input").send_keys("it cannot be taken back")
    form.find_element(By.CSS_SELECTOR, ".button.primary").click()
    browser.find(".tools tbody tr", "it cannot be taken back")
    removing = RuleConfig("deny", "shell", ("rm",), reason="nothing is removed")
    pushing = RuleConfig("ask", "*", ("git push **",), reason="it cannot be taken back")
    assert load(gateway.home).policy.rules == (removing, pushing)
    browser.find(".tools [aria-label='Move down']").click()
    browser.until("document.querySelector('.tools tbody tr').textContent.includes('git push')")
    assert load(gateway.home).policy.rules == (pushing, removing)
    assert "# never" in gateway.home.config_file.read_text()
    assert (violations(browser), browser.violations) == ([], [])
    browser.resize(360, 740, phone=True)
    assert overflowing(browser) == []
    browser.resize(1280, 860)
    browser.find(".tools [aria-label='Remove the rule']").click()
    browser.find("dialog .button.primary").click()
    browser.until("document.querySelectorAll('.tools tbody tr').length === 1")
    assert load(gateway.home).policy.rules == (removing,)
    browser.find(".tools [aria-label='Change the rule']").click()
    pattern = browser.find(".tools .card .form").find_element(By.XPATH, ".//label[.='tool']/..//input")
    pattern.clear()
    pattern.send_keys("shel")
    pattern.submit()
    browser.find(".tools .problem", "did you mean 'shell'")
    assert load(gateway.home).policy.rules == (removing,)
