"""The newcomer: from an empty home to a conversation with the agent that was named, on a desk and on a phone."""

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec
import pytest
from selenium.webdriver.common.keys import Keys

from carapax.cli.background import Background
from tests.fakes.answer import Answer, Call
from tests.fakes.model_server import ModelServer, Received
from tests.web.browser import MISSING, Browser
from tests.web.served import Process
from tests.web.test_signin import authenticator, nothing_offered

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")

SIZES = pytest.mark.parametrize(("width", "height", "phone"), [(1280, 860, False), (360, 740, True)])
ANSWERS = msgspec.json.encode({"avoid": "jargon"}).decode()


def vendor(received: Received) -> Answer:
    """A model that asks who it is to be when it is told to, and writes that down."""
    if received.answers_a_tool:
        return Answer("It is written down, Sam.")
    if "avoid" in received.last_text:
        return Answer(calls=(Call("write_persona", ANSWERS),))
    invited = "`write_persona`" in msgspec.json.encode(received.body).decode()
    return Answer("I am Ada. What shall I avoid?" if invited else "Hello Sam.")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with Background(ModelServer(vendor)) as found:
        yield found


@pytest.fixture
def gateway(tmp_path: Path, browser: Browser) -> Generator[Process, None, None]:
    """`carapax serve` on an empty home."""
    process = Process(tmp_path / "home", is_new=True)
    process.start()
    yield process
    process.close()
    for name in ("127.0.0.1", "localhost"):
        browser.forget(process.url.replace("127.0.0.1", name))


def say(page: Browser, text: str, answer: str) -> None:
    """Say what stands in the composer already, and this, and wait for an answer."""
    page.find(".composer textarea").click()
    page.type(text, Keys.ENTER)
    page.find(".answer", answer)
    page.until("!document.querySelector('.session [aria-busy=true]')")


def persona(gateway: Process) -> str:
    return gateway.home.personas.joinpath("main", "persona.md").read_text(encoding="utf-8")


@SIZES
def test_who_sets_nothing_up_is_asked_by_the_demo(
    browser: Browser, gateway: Process, width: int, height: int, phone: bool
) -> None:
    browser.resize(width, height, phone=phone)
    browser.open(gateway.url)
    browser.find(".wizard .bar .button", "Set up later").click()
    say(browser, "hello", "tell me in one message")
    say(browser, "Call me Sam. You are Ada. Be brief. Avoid jargon.", "Thank you, Sam! I am Ada.")
    assert browser.find(".answer", "Thank you, Sam!").text.count("offline") == 0
    assert persona(gateway).startswith("# Ada\n\n- You are called Ada.\n")
    browser.open(gateway.url)
    say(browser, "hello", "I understand")
    browser.until("document.querySelector('.bar .meta')?.textContent.includes('Ada')")
    assert browser.violations == []


@SIZES
def test_who_names_the_agent_talks_with_it_by_its_name(
    browser: Browser, gateway: Process, server: ModelServer, width: int, height: int, phone: bool
) -> None:
    browser.resize(width, height, phone=phone)
    with authenticator(browser):
        make_it_ones_own(browser, gateway)
        name_the_agent(browser, server)
        talk(browser, gateway, server)
        sign_out_and_in(browser, phone=phone)
    assert browser.violations == []


def make_it_ones_own(browser: Browser, gateway: Process) -> None:
    """With the code that `carapax serve` has printed."""
    printed = gateway.home.config_dir.with_name("gateway.log").read_text(encoding="utf-8")
    address, code = re.findall(r"owner +open (\S+) and type the code (\S+)", printed)[-1]
    browser.open(address)
    browser.find(".sign-in h1", "Make this gateway yours")
    browser.type(code, Keys.ENTER)
    browser.find("button", "Make a passkey").click()


def name_the_agent(browser: Browser, server: ModelServer) -> None:
    browser.find(".choices .button", "A server of your own").click()
    for name, text in {"name": "lab", "base_url": server.url, "default_model": "fake-model"}.items():
        browser.find(f".step [name={name}]").send_keys(text)
    browser.type(Keys.ENTER)
    browser.find(".step[data-step=agent] [name=title]").send_keys("Ada")
    browser.find(".chips[aria-label=Emoji] .chip", "🦀").click()
    browser.find(".chips[aria-label=Manner] .chip", "Brief").click()
    browser.find(".step[data-step=agent] .primary").click()
    browser.find(".step[data-step=you] [name=name]").send_keys("Sam", Keys.ENTER)
    browser.find(".step[data-step=sandbox] .primary").click()
    browser.find(".step[data-step=done] .primary").click()


def talk(browser: Browser, gateway: Process, server: ModelServer) -> None:
    say(browser, "", "I am Ada. What shall I avoid?")
    said = browser.find(".user .bubble")
    assert said.text == "Hello! Who are you?"
    told = server.requests[-1].body["messages"][0]["content"]
    for text in ("You are Ada,", "called Sam", "Brief and plain"):
        assert text in told
    say(browser, "please avoid jargon", "It is written down, Sam.")
    assert persona(gateway) == "- Avoid: jargon\n"
    browser.until("document.querySelector('.bar .meta')?.textContent.includes('🦀 Ada')")


def sign_out_and_in(browser: Browser, *, phone: bool) -> None:
    if phone:
        browser.find(".bar button[aria-label='Show sessions']").click()
    with nothing_offered(browser):
        browser.find("button[aria-label='Sign out']").click()
        browser.find(".sign-in h1", "Sign in")
        browser.find("button", "Sign in with a passkey").click()
        browser.find(".answer", "It is written down, Sam.")
