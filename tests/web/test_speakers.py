"""In a session of several people it is seen who said what, and who of them may give orders."""

from pathlib import Path

import pytest

from carapax.events import MessageReceived, ModelResponded, RunFinished, RunStarted, SessionStarted
from carapax.messages import AssistantMessage, Sender, Text
from tests.web.accessible import violations
from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
SEEN = """return [...document.querySelectorAll('.user h2')].map((each) => {
    const isSeen = each.getBoundingClientRect().width > 1;
    return isSeen ? each.textContent.trim() : "";
})"""
MARKED = "return document.querySelectorAll('.who-said .badge').length"


def said(gateway: Served, session: str, *senders: Sender) -> None:
    messages = [MessageReceived(f"m{at}", sender, "Hello.", "api", session) for at, sender in enumerate(senders)]
    answer = ModelResponded(AssistantMessage((Text("Hello."),), provider="demo", model="demo"))
    run = RunStarted("main", "demo/demo", tuple(each.id for each in messages))
    start = SessionStarted("main", "api", session)
    gateway.run(gateway.services.journal.append(session, start, *messages, run, answer, RunFinished("done")))


def test_who_speaks_is_said_where_several_do_and_strangers_are_marked(browser: Browser, tmp_path: Path) -> None:
    owner, known = Sender("7", "Sam"), Sender("8", "Mo", "known")
    stranger, nameless = Sender("9", "Sam \u202eowner", "stranger"), Sender("10", "", "stranger")
    with served(tmp_path, ["fine"]) as gateway:
        said(gateway, "several", owner, known, stranger, nameless, Sender("local"))
        said(gateway, "alone", owner, owner)
        browser.resize(1280, 800)
        browser.open(f"{gateway.url}/#/s/several")
        browser.find(".answer .markdown", "Hello.")
        assert browser.run(SEEN) == ["Sam Owner", "Mo", "Sam \\u{202e}owner Stranger", "10 Stranger", "You"]
        assert (browser.run(MARKED), violations(browser)) == (3, [])
        browser.run("location.hash = '#/s/alone'")
        browser.until("document.querySelectorAll('.user').length === 2")
        assert browser.run(SEEN) == ["", ""]
        assert browser.violations == []
        browser.forget(gateway.url)
