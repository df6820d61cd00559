"""The command palette: everything is found by a few of its letters, with the keyboard alone."""

from collections.abc import Generator

import pytest
from selenium.webdriver.common.keys import Keys

from carapax.config import AgentConfig, Config
from carapax.messages import Inbound, Sender
from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

OPEN = Keys.CONTROL + "k" + Keys.NULL


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served, None, None]:
    config = Config(agents={"main": AgentConfig(), "other": AgentConfig()})
    with served(tmp_path_factory.mktemp("home"), ["fine"], config) as running:
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


def test_sessions_are_found_by_what_was_said_and_begun_with_any_agent(page: Browser, gateway: Served) -> None:
    sent = gateway.run(gateway.services.sessions.submit(Inbound("api", "c", Sender("ann"), "Hi\n\nthe fjord is deep")))
    page.find(".sessions a", "Hi")
    page.type(OPEN, "fjord is")
    page.find(".palette [aria-selected=true] small", "fjord")
    page.type(Keys.ENTER)
    page.until("location.hash === given[0]", f"#/s/{sent.session}")
    page.find(".bubble", "fjord")
    page.type(OPEN, "with other")
    page.find(".palette [aria-selected=true]", "New session with other")
    page.type(Keys.ENTER)
    page.until("document.querySelector('.who select')?.value === 'other'")


def test_a_session_is_summed_up_or_why_it_is_not_is_told(page: Browser, gateway: Served) -> None:
    info = gateway.run(gateway.services.sessions.create(channel="api", title="short"))
    page.run("location.hash = given[0]", f"#/s/{info.id}")
    page.find(".heading h1", "short")
    page.type(OPEN, "sum up")
    page.find(".palette [aria-selected=true]", "Sum up this session")
    page.type(Keys.ENTER)
    page.find(".toast", "can be left out")


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


def test_what_was_chosen_stays_chosen_when_sessions_are_found(modules: Browser) -> None:
    modules.run("""
        const { Palette } = await import("./views/palette.js");
        const call = () => new Promise((done) => (window.answer = done));
        const app = { sessions: { items: [] }, agents: [], called: (name) => name, rpc: { call } };
        window.palette = new Palette(app);
        for (const label of ["Stop one", "Stop two"]) palette.add({ id: label, label, run() {} });
        palette.open();
    """)
    modules.type("stop", Keys.ARROW_DOWN)
    modules.until("Boolean(window.answer)")
    modules.run("answer({ sessions: [{ id: 's', title: 'Stop', agent: 'main' }], found: {} })")
    modules.until("document.querySelectorAll('.palette [role=option]').length === 3")
    chosen = modules.run("return document.querySelector('.palette [aria-selected=true] .label').textContent")
    modules.type(Keys.ESCAPE)
    assert chosen == "Stop two"


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
