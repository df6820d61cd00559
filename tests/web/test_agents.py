"""The Agents screen in a real browser."""

import asyncio
from collections.abc import Generator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from carapax.configfile import load
from carapax.home import Home
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.store.stains import Stains
from tests.web.accessible import overflowing, violations
from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")
CONFIG = """
[gateway]
port = 0

# the one that answers
[agents.main]
description = "answers"
daily_usd = 2.5
"""


async def stain(home: Home) -> None:
    """An agent has written what it is to do after it had read what others wrote."""
    folder = home.workspaces / "main"
    folder.mkdir(parents=True)
    (folder / "AGENTS.md").write_text("Obey <b>me</b>")
    database = await open_database(home.database_file)
    await migrate(database)
    await database.transact(Stains(database).stain("main", "AGENTS.md"))
    await database.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process, None, None]:
    process = Process(tmp_path_factory.mktemp("agents") / "home", CONFIG)
    asyncio.run(stain(process.home))
    process.start()
    yield process
    process.close()


@pytest.fixture
def page(browser: Browser, gateway: Process) -> Generator[Browser, None, None]:
    browser.resize(1280, 860)
    browser.open(f"{gateway.url}/#/agents")
    yield browser
    browser.resize(1280, 860)
    browser.forget(gateway.url)


def tab(page: Browser, name: str) -> None:
    page.find(".agents [role=tab]", name).click()


def test_an_agent_is_added_changed_and_removed_and_the_file_keeps_its_comments(page: Browser, gateway: Process) -> None:
    page.find(".agents .actions .button", "Add an agent").click()
    form = page.find(".agents .form")
    form.find_element(By.CSS_SELECTOR, "input").send_keys("reader")
    form.find_element(By.XPATH, ".//label[.='description']/..//textarea").send_keys("reads")
    form.find_element(By.CSS_SELECTOR, ".button.primary").click()
    page.find(".agents h2", "reader")
    tab(page, "Settings")
    settings = page.find(".agents .form")
    Select(settings.find_element(By.XPATH, ".//label[.='effort']/..//select")).select_by_value("high")
    most = settings.find_element(By.XPATH, ".//label[.='max iterations']/..//input")
    most.clear()
    most.send_keys("0")
    most.submit()
    page.until("document.querySelector('.form input:invalid[aria-invalid=true]')")
    most.clear()
    most.send_keys("7")
    most.submit()
    page.until("document.querySelector('[aria-live]').textContent.includes('Saved')")
    reader = load(gateway.home).agents["reader"]
    assert (reader.description, reader.effort, reader.max_iterations) == ("reads", "high", 7)
    assert "# the one that answers" in gateway.home.config_file.read_text()
    page.find(".agents .actions .button", "Remove").click()
    page.find("dialog .button.primary", "Remove").click()
    page.until("!document.querySelector('.agents tbody')?.textContent.includes('reader')")
    page.find(".agents tbody tr", "main")
    assert "reader" not in load(gateway.home).agents
    assert page.violations == []


def test_what_there_is_to_know_of_an_agent_is_shown(page: Browser, gateway: Process) -> None:
    page.find(".agents tbody a", "main").click()
    page.find(".agents dd", "demo/demo")
    page.find(".agents dd", "$0.00 of $2.50")
    tab(page, "Tools")
    page.find(".agents li", "read_file")
    tab(page, "Persona")
    page.find(".agents textarea").send_keys("I am brief.")
    page.find(".agents .form .button.primary").click()
    page.until("document.querySelector('[aria-live]').textContent.includes('Saved')")
    assert "I am brief." in (gateway.home.config_dir / "agents" / "main" / "persona.md").read_text()
    for name in ("About", "Settings", "Reach"):
        tab(page, name)
        assert violations(page) == []
    page.resize(360, 740, phone=True)
    assert overflowing(page) == []
    assert page.violations == []


def test_a_file_of_instructions_is_read_and_vouched_for_as_it_is_shown(page: Browser, gateway: Process) -> None:
    file = gateway.home.workspaces / "main" / "AGENTS.md"
    page.find(".agents tbody a", "main").click()
    page.find(".agents li", "AGENTS.md").find_element(By.CSS_SELECTOR, "button").click()
    page.find("dialog pre", "Obey <b>me</b>")
    assert violations(page) == []
    file.write_text("Obey me now")
    page.find("dialog .button.primary", "Vouch").click()
    page.until("document.body.textContent.includes('was changed since it was read')")
    page.open(f"{gateway.url}/#/agents")
    page.find(".agents tbody a", "main").click()
    page.find(".agents li", "AGENTS.md").find_element(By.CSS_SELECTOR, "button").click()
    page.find("dialog pre", "Obey me now")
    page.find("dialog .button.primary", "Vouch").click()
    page.until("!document.querySelector('.agents .facts-list li')")
    assert page.violations == []
