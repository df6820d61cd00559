"""Two tabs of one browser at the same instant: nothing is lost, nothing counts twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import MISSING, Browser
from tests.web.served import Process
from tests.web.test_approvals import WORKS, asked

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

OUTBOX = """
    const { Outbox } = await import("/outbox.js");
    const rpc = Object.assign(new EventTarget(), { state: "connecting" });
    window.outbox ??= new Outbox(rpc, () => {});
"""
UNTOLD = "addEventListener('storage', (event) => event.stopImmediatePropagation(), true);"


@pytest.fixture
def second(browser: Browser) -> Iterator[tuple[str, str]]:
    """The names of the tab that is there and of a new one, which is closed afterwards."""
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("window")
    other = browser.driver.current_window_handle
    browser.driver.switch_to.window(first)
    yield first, other
    browser.driver.switch_to.window(other)
    browser.driver.close()
    browser.driver.switch_to.window(first)


def test_what_two_tabs_write_before_either_hears_of_the_other_is_all_kept(
    browser: Browser, modules_url: str, second: tuple[str, str]
) -> None:
    for tab in second:
        browser.driver.switch_to.window(tab)
        browser.open(f"{modules_url}/blank")
        browser.run("localStorage.clear();" + UNTOLD + OUTBOX)
    for tab, texts in zip(second, (["one", "two"], ["three"]), strict=True):
        browser.driver.switch_to.window(tab)
        browser.run(OUTBOX + "for (const text of given[0]) outbox.add({ session: 's', text });", texts)
    browser.driver.switch_to.window(second[0])
    browser.run(OUTBOX + "outbox.remove(outbox.entries[0].key)")
    for tab in second:
        browser.driver.switch_to.window(tab)
        browser.open(f"{modules_url}/blank")
        assert browser.run(OUTBOX + "return outbox.entries.map(({ text }) => text)") == ["two", "three"]
    browser.run("localStorage.clear()")


def test_what_one_tab_writes_and_sends_the_other_follows(
    browser: Browser, modules_url: str, second: tuple[str, str]
) -> None:
    for tab in second:
        browser.driver.switch_to.window(tab)
        browser.open(f"{modules_url}/blank")
        browser.run("localStorage.clear();" + OUTBOX)
    told = "outbox.entries.map(({ text, error }) => text + error).join() === given[0]"
    browser.run(OUTBOX + "for (const text of ['one', 'two']) outbox.add({ session: 's', text });")
    browser.driver.switch_to.window(second[0])
    browser.until(told, "one,two")
    browser.run("outbox.retry(outbox.entries[0].key); outbox.remove(outbox.entries[1].key)")
    browser.driver.switch_to.window(second[1])
    browser.until(told, "one")
    browser.run("localStorage.clear()")


def test_two_tabs_that_wait_for_the_gateway_send_each_message_once(
    browser: Browser, tmp_path: Path, second: tuple[str, str]
) -> None:
    gateway = Process(tmp_path / "home")
    gateway.start()
    try:
        browser.open(gateway.url)
        browser.find(".composer textarea").click()
        browser.type("remember the first", Keys.ENTER)
        browser.find(".answer .markdown")
        place = browser.driver.current_url
        browser.driver.switch_to.window(second[1])
        browser.open(place)
        browser.find(".answer .markdown")
        gateway.kill()
        for tab, text in zip(second, ("remember the second", "remember the third"), strict=True):
            browser.driver.switch_to.window(tab)
            browser.find(".banner", "No connection")
            browser.find(".composer textarea").click()
            browser.type(text, Keys.ENTER)
        for tab in second:
            browser.driver.switch_to.window(tab)
            browser.until("document.querySelectorAll('.user.waiting').length === 2")
        gateway.start()
        said = "[...document.querySelectorAll('.user:not(.waiting) .bubble')].map((each) => each.textContent)"
        for tab in second:
            browser.driver.switch_to.window(tab)
            browser.until(f"{said}.length === 3", within_s=20)
            told = browser.run(f"return {said}")
            assert isinstance(told, list)
            assert sorted(told) == ["remember the first", "remember the second", "remember the third"]
    finally:
        gateway.close()


def test_of_two_answers_at_the_same_instant_one_counts_and_both_tabs_show_it(
    browser: Browser, tmp_path: Path, second: tuple[str, str]
) -> None:
    with asked(browser, tmp_path) as person:
        place = browser.driver.current_url
        browser.driver.switch_to.window(second[1])
        browser.open(place)
        for tab, name in zip(second, ("once", "deny"), strict=True):
            browser.driver.switch_to.window(tab)
            browser.until(WORKS.format(name))
            press = "document.querySelector(`.approval button[data-name=${given[0]}]`).click()"
            browser.run(f"(window.told = new BroadcastChannel('now')).onmessage = () => {press}", name)
        browser.run("new BroadcastChannel('now').postMessage('')")
        lines = set()
        for tab in second:
            browser.driver.switch_to.window(tab)
            lines.add(browser.find(".answered summary span", within_s=15).text)
            assert browser.all(".toast") == []
        assert (len(lines), len(person.events("approval_given"))) == (1, 1)
        browser.until("!document.querySelector('.working')")
        assert (person.sent == "sent\n") == ("allowed shell to run" in lines.pop())
