"""S27: whatever text comes to the page, in whatever field of whatever screen, is only text."""

from collections.abc import Generator

import msgspec
import pytest

from tests.corpora.markup import texts
from tests.proof.figures import Figure, bound, shown
from tests.web.accessible import overflowing
from tests.web.browser import MISSING, Browser, open_browser
from tests.web.furnished import SCREENS, furnished, newest
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
TEXTS = texts()
ROUNDS = 2
# Puts the next of the texts in the place of every text of an answer or event that somebody could have chosen: all but
# the words by which the page knows what it has before it.
POISON = """
    window.pwned = () => (window.ran = (window.ran ?? 0) + 1);
    for (const name of ["alert", "confirm", "prompt", "open", "print"]) window[name] = window.pwned;
    window.placed = 0;
    const known = /^[a-z0-9][a-z0-9_.:-]{0,40}$/;
    const chosen = new Set(["text", "title", "name", "description", "detail", "summary", "reason", "model", "provider",
        "message", "arguments", "hint", "problem", "value", "manner", "emoji", "label", "note", "remedy", "by"]);
    const kept = new Set(["id", "session", "run", "kind", "seq", "digest", "state", "theme", "jsonrpc", "method",
        "path"]);
    const next = () => given[(start + window.placed++) % given.length];
    const poison = (value, key = "") => {
        if (typeof value === "string") {
            return kept.has(key) || (known.test(value) && !chosen.has(key)) ? value : next();
        }
        if (Array.isArray(value)) return value.map((each) => poison(each, key));
        if (value === null || typeof value !== "object") return value;
        return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, poison(each, key)]));
    };
    const parse = JSON.parse;
    JSON.parse = (text, ...more) => {
        const value = parse(text, ...more);
        if (value?.method === "event") return { ...value, params: poison(value.params) };
        if (value?.error) return { ...value, error: poison(value.error) };
        return value?.jsonrpc ? { ...value, result: poison(value.result) } : value;
    };
"""
FOUND = """
    const bad = [];
    if (window.ran) bad.push(`${window.ran} scripts ran`);
    const here = new URL(location.href).origin;
    for (const { name } of performance.getEntriesByType("resource")) {
        if (new URL(name).origin !== here && !name.startsWith("data:")) bad.push(`loaded ${name}`);
    }
    const css = "iframe, object, embed, base, meta[http-equiv], style, math, animate, set, video, audio," +
        "foreignObject, script:not([src]), [srcdoc], [style*='url('], form[action], [formaction], portal, marquee";
    for (const each of document.querySelectorAll(css)) bad.push(each.outerHTML.slice(0, 120));
    for (const each of document.querySelectorAll("*")) {
        for (const { name, value } of each.attributes) {
            if (name.startsWith("on")) bad.push(`${name}=${value}`.slice(0, 120));
            if (!["href", "src", "xlink:href", "srcset", "poster", "action"].includes(name)) continue;
            const { protocol, origin } = new URL(value, location.href);
            const link = each.localName === "a" && ["http:", "https:", "mailto:"].includes(protocol);
            const ours = origin === here || (each.localName === "img" && ["blob:", "data:"].includes(protocol));
            if (!link && !ours) bad.push(`${each.localName} ${name}=${value}`.slice(0, 160));
        }
    }
    return bad;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser, None, None]:
    """One of its own, for what it loads is poisoned."""
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.resize(1280, 800)
        yield opened


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process, None, None]:
    with furnished(tmp_path_factory.mktemp("furnished")) as process:
        yield process


def broken(browser: Browser) -> list[str]:
    found = browser.run(FOUND)
    assert isinstance(found, list)
    return [*found, *browser.violations, *(f"wider than the window: {each}" for each in overflowing(browser))]


def test_nothing_that_a_field_holds_runs_loads_or_breaks_a_screen(browser: Browser, gateway: Process) -> None:
    browser.open(gateway.url)
    session = newest(browser)
    places = ["", f"s/{session}", f"s/{session}/timeline", *SCREENS]
    placed, problems = 0, []
    while placed < ROUNDS * len(TEXTS):
        for place in places:
            source = f"(() => {{ const given = {msgspec.json.encode(TEXTS).decode()}, start = {placed}; {POISON} }})()"
            added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
            browser.open(f"{gateway.url}/#/{place}")
            browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
            browser.until("document.querySelector('#main > *') && !document.querySelector('[aria-busy=true]')")
            browser.run("await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            placed += int(str(browser.run("return window.placed")))
            problems += [f"#/{place}: {each}" for each in broken(browser)]
    what = f"{len(TEXTS)} texts in the fields of {len(places)} places: run, loaded, or breaking the layout"
    shown(Figure("S27", what, bound(len(problems), placed), "0", not problems))
    assert problems == []


def test_no_markdown_becomes_more_than_text(browser: Browser, gateway: Process) -> None:
    browser.open(gateway.url)
    browser.run(
        """
        const { markdown } = await import("/markdown.js");
        document.body.replaceChildren(...given[0].map((text) => markdown(text)));
        """,
        TEXTS,
    )
    problems = broken(browser)
    shown(Figure("S27", "the same as Markdown of an answer", bound(len(problems), len(TEXTS)), "0", not problems))
    assert problems == []


@pytest.mark.parametrize("planted", ["<img src=x onerror=pwned()>", "<img src=//evil.invalid/x>"])
def test_a_page_that_takes_text_for_markup_is_caught(browser: Browser, gateway: Process, planted: str) -> None:
    browser.open(gateway.url)
    browser.run("document.body.append(document.createRange().createContextualFragment(given[0]))", planted)
    assert broken(browser)
