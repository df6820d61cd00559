"""Setting up in a real browser: what a new home shows first, on a desk and on a phone."""

import tomllib
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec
import pytest
from selenium.webdriver.common.keys import Keys

from carapax.cli.background import Background
from tests.fakes.vendor import Vendor
from tests.web.accessible import overflowing, unreachable, violations
from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")

KEY, WRONG = "sk-the-right-one-0123456789", "sk-the-wrong-one-0123456789"
SIZES = pytest.mark.parametrize(("width", "height", "phone"), [(1280, 860, False), (360, 740, True)])


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with Background(Vendor(KEY)) as found:
        yield found


@pytest.fixture
def gateway(tmp_path: Path, browser: Browser) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home", is_new=True)
    process.start()
    yield process
    process.close()
    browser.forget(process.url)


def step(page: Browser, name: str) -> None:
    """Wait for a step, which anybody can use and which fits."""
    page.find(f".wizard .step[data-step={name}] h2")
    assert (violations(page), overflowing(page)) == ([], [])


def field(page: Browser, name: str, text: str) -> None:
    page.run("document.querySelector(`.step [name=${given[0]}]`).value = ''", name)
    page.find(f".step [name={name}]").send_keys(text)


@SIZES
def test_a_new_home_is_set_up_in_five_steps(
    browser: Browser, gateway: Process, vendor: Vendor, width: int, height: int, phone: bool
) -> None:
    browser.resize(width, height, phone=phone)
    browser.open(gateway.url)
    step(browser, "model")
    assert "1 of 4" in browser.find(".wizard .summary").text
    browser.find(".choices .button", "A server of your own").click()
    field(browser, "name", "lab")
    field(browser, "base_url", vendor.url)
    field(browser, "key", WRONG)
    browser.type(Keys.ENTER)
    browser.find(".form .problem", "is not one of ours")
    assert browser.run("return document.querySelector('.step [name=base_url]').value") == vendor.url
    field(browser, "key", KEY)
    browser.type(Keys.ENTER)
    step(browser, "agent")
    field(browser, "title", "Ada")
    browser.find(".chips[aria-label=Emoji] .chip", "🦀").click()
    browser.find(".chips[aria-label=Manner] .chip", "Brief").click()
    browser.find(".step .primary").click()
    step(browser, "you")
    zone = browser.run("return Intl.DateTimeFormat().resolvedOptions().timeZone")
    assert browser.run("return document.querySelector('.step [name=timezone]').value") == zone
    field(browser, "timezone", "Mars/Olympus")
    field(browser, "name", "Sam")
    browser.type(Keys.ENTER)
    browser.find(".step .problem", "Mars/Olympus")
    field(browser, "timezone", "Europe/Berlin")
    browser.type(Keys.ENTER)
    step(browser, "sandbox")
    browser.find(".step .primary").click()
    step(browser, "done")
    browser.find(".step .primary").click()
    browser.find(".welcome textarea")
    assert browser.run("return document.querySelector('textarea').value") == "Hello! Who are you?"
    written = tomllib.loads(gateway.home.config_file.read_text(encoding="utf-8"))
    agent = {key: text for key, text in written["agents"]["main"].items() if text}
    assert agent == {"title": "Ada", "emoji": "🦀", "manner": "Brief and plain"}
    assert written["user"] == {"name": "Sam", "timezone": "Europe/Berlin"}
    assert KEY not in str(written)
    browser.open(gateway.url)
    browser.find(".welcome .model-name", "lab")
    assert browser.violations == []


def test_it_can_be_put_off_and_is_found_again(browser: Browser, gateway: Process) -> None:
    browser.resize(1280, 860)
    browser.open(gateway.url)
    step(browser, "model")
    browser.find(".wizard nav .button", "Skip").click()
    step(browser, "agent")
    assert unreachable(browser) == []
    browser.find(".wizard nav .button", "Back").click()
    step(browser, "model")
    browser.find(".wizard .bar .button", "Set up later").click()
    browser.find(".welcome textarea")
    browser.open(gateway.url)
    browser.find(".welcome textarea")
    browser.run("document.activeElement.blur()")
    browser.type(Keys.CONTROL + "k" + Keys.NULL)
    browser.find(".palette input").send_keys("set up", Keys.ENTER)
    step(browser, "model")


ROWS = """
    const tops = [...document.querySelectorAll(given[0])].filter((each) => each.checkVisibility())
        .map((each) => each.getBoundingClientRect().top);
    return Object.values(Object.groupBy(tops, String)).map((row) => row.length);
"""


def test_what_is_chosen_from_stands_in_whole_rows(browser: Browser, gateway: Process) -> None:
    browser.resize(1280, 860)
    browser.open(gateway.url)
    browser.find(".step .choices li")
    assert browser.run(ROWS, ".step .choices li") == [3, 3, 3]
    assert browser.run(ROWS, ".screens a") == [2, 2, 2, 2, 2, 1]  # no channels, which are where there is an extension
    browser.resize(360, 760, phone=True)
    assert browser.run(ROWS, ".step .choices li") == [2, 2, 2, 2, 1]
    widths = "return ['ul.choices', '.choices li:last-child'].map((css) => document.querySelector(css).clientWidth)"
    row, last = msgspec.convert(browser.run(widths), tuple[int, int])
    assert row == last


def test_vendors_are_searched(browser: Browser, gateway: Process) -> None:
    browser.resize(1280, 860)
    browser.open(gateway.url)
    browser.find(".step [type=search]").send_keys("tavily")
    browser.until("document.querySelectorAll('.choices li').length === 1")
    browser.find(".step [type=search]").clear()
    browser.find(".step [type=search]").send_keys("DEEPS")
    browser.until("document.querySelectorAll('.choices li').length === 2")
    browser.find(".choices .button", "DeepSeek").click()
    browser.find(".form .field label", "Key")
    browser.find(".form .button", "Cancel").click()
    browser.until("document.activeElement.type === 'search'")


def test_it_is_not_offered_to_who_may_not_set_up(browser: Browser, gateway: Process) -> None:
    secret = gateway.carapax("token", "create", "reader", "--scope", "read").split()[-1]
    browser.resize(1280, 860)
    browser.open(gateway.url)
    browser.find(".sign-in")
    sending = "method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({token: given[0]})"
    browser.run(f"await fetch('login', {{{sending}}})", secret)
    browser.open(gateway.url)
    browser.find(".welcome textarea")
    assert browser.run("return document.querySelector('.wizard') === null")
