"""More than anybody reads: a session of ten thousand events, and hundreds of them a second."""

import asyncio
from collections.abc import Generator, Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from carapax.events import (
    Kept,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionStarted,
    StateChanged,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, ToolResult, Usage
from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
EVENTS = 10_000
MOST_ELEMENTS = 6_000
HUGE = "a very long line of what nobody reads " * 20_000
LAST = "[...document.querySelectorAll(given[0])].at(-1)?.textContent.startsWith(given[1])"
ELEMENTS = "document.querySelectorAll('*').length"


def events() -> Iterator[Kept]:
    """A session that calls a tool in each of its turns; one answer and one output are huge, some outputs long."""
    yield SessionStarted("main", "api", "plenty")
    for turn in range((EVENTS - 1) // 6):
        call = ToolCall(f"c{turn}", "shell", f'{{"command":"ls {turn}"}}')
        output = HUGE if turn == 1600 else "one line of output\n" * (400 if turn % 10 == 0 else 3)
        text = HUGE if turn == 1640 else f"The **answer** {turn}\n\n- one\n- two\n\n```python\nprint({turn})\n```"
        yield MessageReceived(f"m{turn}", Sender("local"), f"question {turn}", "api", "plenty")
        yield RunStarted("main", "demo/demo", (f"m{turn}",))
        yield ModelResponded(AssistantMessage((Text("I look."), call), "tool_calls", Usage(10, 5), "demo", "demo"))
        yield ToolReturned(ToolResult(f"c{turn}", "shell", output), 0.1)
        yield ModelResponded(AssistantMessage((Text(text),), usage=Usage(20, 3), provider="demo", model="demo"))
        yield RunFinished("done")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served, None, None]:
    with served(tmp_path_factory.mktemp("home"), lambda request: "Fine.") as opened:
        kept = list(events())

        async def plant() -> None:
            for start in range(0, len(kept), 1000):
                await opened.services.journal.append("plenty", *kept[start : start + 1000])

        opened.run(plant())
        yield opened


def test_a_session_of_ten_thousand_events_opens_scrolls_and_travels(browser: Browser, gateway: Served) -> None:
    browser.resize(1280, 800)
    browser.open(f"{gateway.url}/#/s/plenty")
    browser.until(LAST, ".bubble", "question 1665", within_s=20)
    browser.until(LAST, ".answer .markdown", "The answer 1665")
    assert browser.until(f"{ELEMENTS} < given[0]", MOST_ELEMENTS)
    browser.run("document.querySelector('.scroller').scrollTop = 0")
    browser.find(".earlier").click()
    browser.until("document.querySelectorAll('.bubble').length > 150")
    assert browser.until(f"{ELEMENTS} < given[0]", 3 * MOST_ELEMENTS)
    browser.find(".composer textarea").click()
    browser.type("one more", Keys.ENTER)
    browser.until(LAST, ".bubble", "one more")
    browser.until(LAST, ".answer .markdown", "Fine.")
    browser.find(".tabs a[href$=timeline]").click()
    browser.find(".travel .place", f"of {EVENTS // 100}")
    browser.find(".travel input").click()
    browser.type(Keys.HOME)
    browser.find(".before", "Nothing had been said yet")
    browser.type(Keys.END)
    browser.find(".before .markdown", "Fine.")
    assert browser.until(f"{ELEMENTS} < given[0]", MOST_ELEMENTS)
    assert browser.violations == []


def test_two_hundred_events_a_second_stay_a_short_list_that_keeps_up(browser: Browser, gateway: Served) -> None:
    browser.open(f"{gateway.url}/#/activity")
    browser.find(".live .none")
    browser.run("window.painted = 0; const count = () => { painted += 1; requestAnimationFrame(count); }; count()")

    async def happen() -> None:
        await gateway.services.journal.append("busy", SessionStarted("main", "api", "busy"))
        for batch in range(30):
            changes = [StateChanged("note", f"{batch}.{nth}") for nth in range(20)]
            await gateway.services.journal.append("busy", *changes)
            await asyncio.sleep(0.1)

    gateway.run(happen())
    browser.find(".live-list li .about", "29.19", within_s=3)
    assert int(str(browser.run("return painted"))) > 30
    assert browser.run("return document.querySelectorAll('.live-list li').length") == 300
    browser.find(".live .choices .button").click()
    browser.find(".screens a", "Costs").click()
    browser.find(".screen.costs h1")
    assert browser.violations == []
