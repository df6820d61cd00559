"""The page endures what happens to it: a gateway that dies, a network that crawls, more than anybody reads, and hostile
places and files."""

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
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
from tests.web.furnished import furnished
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


def slowly(received: Received) -> Answer:
    return msgspec.structs.replace(converse(received), chunk_delay_s=0.004)


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[ModelServer, None]:
        async with ModelServer(slowly) as server:
            yield server

    with Background(opened()) as server:
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
FILLED = "document.querySelector('#main > *') && !document.querySelector('[aria-busy=true]')"
LOADED = "!document.querySelector('.loading:not([hidden])') && document.querySelectorAll('.health h2').length !== 1"
TYPED = "1234"


def test_every_screen_fills_again_after_the_gateway_was_killed_and_keeps_what_was_typed(
    browser: Browser, tmp_path: Path
) -> None:
    with furnished(tmp_path, port=free_port()) as gateway, tabs(browser):
        browser.open(gateway.url)
        session = browser.run("return (await (await fetch('api/sessions')).json()).sessions[0].id")
        windows: dict[str, tuple[str, object]] = {}
        for place, field in PLACES.items():
            browser.driver.switch_to.new_window("tab")
            browser.open(f"{gateway.url}/#/{place.replace('SESSION', f's/{session}')}")
            browser.until(FILLED)
            browser.until(LOADED)
            if place in OPENERS:
                browser.find(f"#main {OPENERS[place]}").click()
            if field:
                browser.find(f"#main {field}").send_keys(Keys.CONTROL + "a" + Keys.NULL + TYPED)
            windows[place] = (browser.driver.current_window_handle, browser.run(SHAPE))
        gateway.kill()
        gateway.start()
        gateway.carapax("chat", "-m", "run `echo after the restart`")
        lost = []
        for place, (window, shape) in windows.items():
            browser.driver.switch_to.window(window)
            browser.until("document.querySelector('.banner').hidden")
            browser.find(".sessions a", "after the restart")
            browser.until(FILLED)
            browser.until(LOADED)
            if field := PLACES[place]:
                value = browser.run("return document.querySelector(`#main ${given[0]}`)?.value ?? null", field)
                lost += [f"{place}: typed {TYPED}, has {value}"] if value != TYPED else []
            after = browser.run(SHAPE)
            lost += [f"{place}: {shape} became {after}"] if shape != after else []
            assert lost == []


SHAPE = """
    const count = (css) => document.querySelectorAll(`#main ${css}`).length;
    const chosen = document.querySelector("#main [role=tab][aria-selected=true]")?.textContent ?? "";
    return [document.querySelector("#main h1").textContent, chosen, count("h2"), count("form"), count("tbody tr")];
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
