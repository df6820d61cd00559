"""The page endures what happens to it: a gateway that dies, a network that crawls, more than anybody reads, and hostile
places and files."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from selenium.webdriver.common.keys import Keys

from carapax.cli.background import Background
from carapax.cli.rpc import find_gateway
from carapax.configfile import free_port
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer, Received, converse
from tests.web.browser import MISSING, Browser
from tests.web.furnished import FILLED, furnished
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
SEND = Keys.ENTER
CONFIG = """
[gateway]
port = {port}
[agents.main]
model = "lab/fake-model"
[providers.lab]
base_url = "{url}"
dialect = "openai_chat"
"""
SAID = "return [...document.querySelectorAll('.bubble, .answer .markdown')].map((each) => each.textContent.trim())"


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """Stands still in the middle of its first answer, until who asked is gone."""
    stalls = iter([100])

    def answer(received: Received) -> Answer:
        return msgspec.structs.replace(converse(received), stall_after=next(stalls, None))

    with Background(ModelServer(answer)) as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, model: ModelServer, browser: Browser) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home", CONFIG.format(url=model.url, port=free_port()))
    process.start()
    browser.resize(1280, 800)
    try:
        yield process
    finally:
        process.close()
        browser.forget(process.url)


@pytest.fixture(scope="module")
def furniture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with furnished(tmp_path_factory.mktemp("furnished"), port=free_port()) as process:
        yield process


@pytest.fixture
def home(furniture: Process, browser: Browser) -> Iterator[Process]:
    """A gateway with something on every screen; whatever a test has done to the browser is undone."""
    browser.resize(1280, 800)
    yield furniture
    network(browser)
    browser.forget(furniture.url)


def network(browser: Browser, *, latency_ms: int = 0, bytes_s: int = -1, offline: bool = False) -> None:
    """What lies between browser and gateway: nothing, unless said otherwise."""
    conditions = {"latency": latency_ms, "downloadThroughput": bytes_s, "uploadThroughput": bytes_s}
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": offline, **conditions})


def journal(gateway: Process, session: str) -> list[str]:
    """What was said in a session, as the gateway kept it."""
    asked = find_gateway(gateway.home)
    assert asked is not None
    kept = asked.call("session.events", {"session": session}, dict[str, Any])
    said = []
    for event in (envelope["event"] for envelope in kept["events"]):
        if event["kind"] == "message_received":
            said.append(str(event["text"]))
        elif event["kind"] == "model_responded":
            said.append("".join(part["text"] for part in event["message"]["parts"]).strip())
    return said


def test_a_gateway_that_is_killed_while_an_answer_streams_costs_no_word(browser: Browser, gateway: Process) -> None:
    browser.open(gateway.url)
    browser.find(".composer textarea").click()
    browser.type("words 300", SEND)
    browser.until("document.querySelector('.answer.live .markdown')?.textContent.length > 100")
    browser.type("half a ")
    gateway.kill()
    browser.find(".banner", "No connection")
    browser.type("thought", SEND, "and one that is not sent")
    browser.find(".user.waiting", "half a thought")
    gateway.start()
    browser.until("document.querySelector('.banner').hidden")
    browser.until("document.querySelectorAll('.answer:not(.live) .markdown').length === 2", within_s=20)
    browser.until("!document.querySelector('.working') && !document.querySelector('.user.waiting')", within_s=20)
    session = str(browser.run("return location.hash")).removeprefix("#/s/")
    said = browser.run(SAID)
    assert sorted(journal(gateway, session)) == sorted(msgspec.convert(said, list[str]))
    assert "word " * 299 + "word" in journal(gateway, session)
    assert browser.run("return document.querySelector('textarea').value") == "and one that is not sent"
    assert browser.violations == []


PLACES = {
    "SESSION": ".composer textarea",
    "SESSION/timeline": "",
    "sessions": "",
    "approvals": "",
    "costs": "",
    "agents": "",
    "agents/main": ".tab-panel textarea",
    "tools": ".form textarea",
    "models": ".provider-form [name=key]",
    "secrets": ".form [name=name]",
    "access": ".form [name=name]",
    "health": "",
    "settings": "",
    "settings/budget": ".form input",
    "wizard/agent": ".form textarea",
    "activity": "",
}
OPENERS = {
    "agents/main": "[role=tab][data-name=persona]",
    "tools": "[role=tab][data-name=trial]",
    "models": ".actions .button",
    "secrets": ".actions .button",
}
TYPED = "1234"


def test_every_screen_fills_again_after_the_gateway_was_killed_and_keeps_what_was_typed(
    browser: Browser, home: Process
) -> None:
    with tabs(browser):
        browser.open(home.url)
        session = browser.run("return (await (await fetch('api/sessions')).json()).sessions[0].id")
        windows: dict[str, tuple[str, object]] = {}
        for place, field in PLACES.items():
            browser.driver.switch_to.new_window("tab")
            browser.open(f"{home.url}/#/{place.replace('SESSION', f's/{session}')}")
            browser.until(FILLED)
            if place in OPENERS:
                browser.find(f"#main {OPENERS[place]}").click()
            if field:
                browser.find(f"#main {field}").send_keys(Keys.CONTROL + "a" + Keys.NULL + TYPED)
            windows[place] = (browser.driver.current_window_handle, browser.run(SHAPE))
        home.kill()
        home.start()
        home.carapax("chat", "-m", "run `echo after the restart`")
        lost = []
        for place, (window, shape) in windows.items():
            browser.driver.switch_to.window(window)
            browser.until("document.querySelector('.banner').hidden")
            browser.find(".sessions a", "after the restart")
            browser.until(FILLED)
            if field := PLACES[place]:
                value = browser.run("return document.querySelector(`#main ${given[0]}`)?.value ?? null", field)
                lost += [f"{place}: typed {TYPED}, has {value}"] if value != TYPED else []
            after = browser.run(SHAPE)
            lost += [f"{place}: {shape} became {after}"] if shape != after else []
            assert lost == []


SHAPE = """
    const count = (css) => document.querySelectorAll(`#main ${css}`).length;
    const chosen = document.querySelector("#main [role=tab][aria-selected=true]")?.textContent ?? "";
    return [document.querySelector("#main h1").textContent, chosen, count("h2"), count("form"), count("tbody tr") > 0];
"""


@contextmanager
def tabs(browser: Browser) -> Iterator[None]:
    """Whatever tabs are opened meanwhile are closed again."""
    first = browser.driver.current_window_handle
    try:
        yield
    finally:
        for window in browser.driver.window_handles:
            if window != first:
                browser.driver.switch_to.window(window)
                browser.driver.close()
        browser.driver.switch_to.window(first)


def test_on_a_slow_network_something_shows_soon_and_a_message_and_a_file_arrive_once(
    browser: Browser, home: Process, tmp_path: Path
) -> None:
    browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    watched = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SOCKETS})
    browser.driver.set_page_load_timeout(60)
    network(browser, latency_ms=500, bytes_s=20_000)
    browser.open(home.url)
    browser.find(".composer textarea", within_s=30).click()
    paint, ready = msgspec.convert(browser.run(TIMES), tuple[float, float])
    assert paint < ready / 2
    file = tmp_path / "notes.txt"
    file.write_bytes(b"what you said " * 3_000)
    browser.all(".composer input[type=file]")[0].send_keys(str(file))
    browser.find(".attachments li.busy")
    browser.find(".composer textarea").click()
    browser.type("what did I say", SEND)
    browser.find(".attachments li:not(.busy):not(.failed)", within_s=20)
    browser.type(SEND)
    browser.find(".user.waiting", "Sending")
    cut(browser)
    browser.type("and then", SEND)
    for _ in range(3):
        network(browser)
        browser.run("dispatchEvent(new Event('online'))")
        browser.until("document.querySelector('.banner').hidden")
        cut(browser)
    network(browser)
    browser.until(
        "!document.querySelector('.user.waiting, .working') && document.querySelectorAll('.answer').length === 2"
    )
    session = str(browser.run("return location.hash")).removeprefix("#/s/")
    asked = [text for text in journal(home, session) if text in ("what did I say", "and then")]
    assert asked == ["what did I say", "and then"]
    assert browser.run("return [...document.querySelectorAll('.bubble')].map((each) => each.textContent)") == asked
    browser.find(".user .files a", "notes.txt")
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", watched)
    assert browser.violations == []


SOCKETS = """
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            sockets.push(this);
        }
    };
"""


def cut(browser: Browser) -> None:
    """No network, and what was connected is so no more."""
    network(browser, offline=True)
    browser.run(
        "for (const socket of sockets.splice(0)) { socket.dispatchEvent(new CloseEvent('close')); socket.close(); }"
    )
    browser.find(".banner", "No connection")


TIMES = """
    const [navigation] = performance.getEntriesByType("navigation");
    return [performance.getEntriesByName("first-contentful-paint")[0].startTime, navigation.domContentLoadedEventEnd];
"""
ADDRESSES = (
    "s/%", "s/..%2f", "s/%2e%2e%2f%2e%2e", "s/%00", "s/%E0%A4%A", "s/<img src=x onerror=alert(1)>", "s/" + "x" * 3000,
    "pair/x/y", "pair/x/x", "new/%", "new/agent/%E0", "new/javascript:alert(1)", "constructor", "toString",
    "__proto__", "hasOwnProperty/x", "agents/%", "agents/__proto__", "settings/%", "settings/__proto__/x",
    "settings/agents/%2f..%2f", "wizard/constructor", "tools/constructor", "activity/constructor", "setup/x",
    "s/x/timeline/99999999999999999999", "/evil.invalid",
)  # fmt: skip
FIRST = ("s/%", "constructor", "agents/%", "pair/x/y")
SETTLED = """document.querySelector('#main > *')?.checkVisibility() && main.innerText.trim()
    && !document.querySelector('[aria-busy=true], .loading:not([hidden])') && !main.innerText.includes("undefined")"""


def test_no_address_leaves_the_page_without_something_to_say(browser: Browser, home: Process) -> None:
    browser.open(home.url)
    browser.find(".composer textarea")
    for place in ADDRESSES:
        browser.run("location.hash = given[0]", f"#/{place}")
        browser.until(SETTLED)
    assert browser.violations == []
    for place in FIRST:
        browser.open(f"{home.url}/#/{place}")
        browser.until(SETTLED)
        assert browser.violations == []
    browser.run("location.hash = '#/'")
    browser.find(".welcome textarea")


@pytest.mark.parametrize(
    "text",
    ["{", "null", "[null]", '"x"', "[" * 5000, '{"key": "k", "session": "s", "text": "t", "attachments": "x"}'],
)
def test_whatever_the_browser_kept_the_page_starts_and_sends(browser: Browser, home: Process, text: str) -> None:
    browser.open(home.url)
    names = ["carapax.outbox.k", "carapax.theme", "carapax.closed-groups"]
    browser.run("for (const name of given[0]) localStorage.setItem(name, given[1])", names, text)
    browser.open(home.url)
    browser.find(".composer textarea").click()
    browser.type("what did I say", SEND)
    browser.find(".answer .markdown")
    assert browser.violations == []


def test_where_the_browser_keeps_nothing_all_that_is_written_is_sent_once(browser: Browser, home: Process) -> None:
    browser.open(home.url)
    browser.find(".composer textarea").click()
    browser.run("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }")
    browser.type("what did I say", SEND)
    browser.find(".answer:not(.live) .markdown")
    browser.find(".foot button").click()
    assert browser.run(SAID) == [*["what did I say"], browser.find(".answer .markdown").text]
    assert browser.violations == []
