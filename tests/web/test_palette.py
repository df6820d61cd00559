"""The command palette: everything is found by a few of its letters, with the keyboard alone."""

from collections.abc import Generator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

OPEN = Keys.CONTROL + "k" + Keys.NULL


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served, None, None]:
    with served(tmp_path_factory.mktemp("home"), []) as running:
        yield running


@pytest.fixture
def page(browser: Browser, gateway: Served) -> Generator[Browser, None, None]:
    browser.open(gateway.url)
    browser.find(".composer textarea")
    yield browser
    assert browser.violations == []
    browser.resize(1280, 800)


def test_a_screen_a_session_and_a_command_are_found_and_run(page: Browser, gateway: Served) -> None:
    info = gateway.run(gateway.services.sessions.create(channel="api", title="Holiday in Norway"))
    page.find(".sessions a", "Holiday in Norway")
    page.type(OPEN, "csts")
    page.find(".palette [aria-selected=true]", "Costs")
    page.type(Keys.ENTER)
    page.find(".screen.costs h1", "Costs")
    page.type(OPEN, "norway")
    page.find(".palette [aria-selected=true]", "Holiday in Norway")
    page.type(Keys.ENTER)
    page.until("location.hash === given[0]", f"#/s/{info.id}")
    page.type(OPEN, "stop all")
    page.type(Keys.ENTER)
    page.find("dialog h2", "Stop all agents")
    page.type(Keys.ESCAPE)
    page.until("!document.querySelector('dialog')")


def test_it_is_a_combobox_whose_choice_moves_by_arrows(page: Browser) -> None:
    page.type(OPEN)
    field = "document.activeElement.matches('[role=combobox][aria-controls=palette-list]')"
    page.until(field)
    choice = "return document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).textContent"
    first = page.run(choice)
    page.type(Keys.ARROW_DOWN)
    assert page.run(choice) != first
    page.type(Keys.ARROW_UP)
    assert page.run(choice) == first
    page.type("nothing like it")
    page.find(".palette [role=status]", "Nothing matches")
    page.type(Keys.ESCAPE)
    page.until("!document.querySelector('dialog')")


def test_on_a_phone_it_opens_from_the_drawer(page: Browser) -> None:
    page.resize(360, 740, phone=True)
    page.find(".bar button[aria-label='Show sessions']").click()
    page.find(".sidebar .search").click()
    page.find(".palette [role=option]")
    assert page.run("return document.documentElement.scrollWidth") == 360
    page.type("models")
    page.find(".palette [aria-selected=true]", "Models").click()
    page.find(".screen.models")
    assert page.run("return document.querySelector('.shell').matches('.drawer')") is False
