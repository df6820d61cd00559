"""Whatever people and agents write, and in whatever direction: the page stays whole, and each text runs its own way."""

from collections.abc import Generator

import pytest

from carapax.cli.rpc import find_gateway
from tests.web.accessible import overflowing
from tests.web.browser import MISSING, Browser
from tests.web.furnished import SCREENS
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
LONG = "Wort" * 20
HEBREW = "שלום לכולם, מה שלומכם היום? " * 6
CONFIG = f"""
[user]
name = "{LONG}"

[agents.main]
title = "{LONG}"
description = "{LONG * 5}"

[agents.{"x" * 64}]
title = "{"אבגדה" * 16}"
description = "{HEBREW}"

[[policy.rules]]
verdict = "ask"
tool = "shell"
commands = ["{LONG}"]
reason = "{LONG * 3}"

[providers.{"p" * 64}]
dialect = "openai_chat"
base_url = "http://127.0.0.1:9/{LONG * 2}"
"""
SAID = [LONG * 10, HEBREW, "remember " + LONG * 8, "\u202e" + LONG, f"run `echo {LONG * 6}`", "1. שלום\n2. عليكم"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process, None, None]:
    process = Process(tmp_path_factory.mktemp("home") / "home", CONFIG)
    process.start()
    try:
        running = find_gateway(process.home)
        assert running is not None
        for agent in ("main", "x" * 64):
            for text in SAID:
                running.call("session.message", {"text": text, "agent": agent, "wait": True}, dict[str, object])
        running.call("secret.set", {"name": "s" * 200, "value": "x"}, dict[str, object])
        yield process
    finally:
        process.close()


@pytest.fixture
def page(browser: Browser, gateway: Process) -> Generator[Browser, None, None]:
    browser.resize(1280, 800)
    browser.forget(gateway.url)
    browser.open(gateway.url)
    browser.find(".sessions .title")
    yield browser
    browser.resize(1280, 800)
    assert browser.violations == []


def go(page: Browser, place: str) -> None:
    page.run("location.hash = given[0]; await new Promise((done) => setTimeout(done))", f"#/{place}")
    page.until("!document.querySelector('[aria-busy=true], #main .loading:not([hidden])')")


# What should be in the window and is not, or not whole, or lies over its neighbour.
OUTSIDE = """
    const css = ".bar > *, .heading > *, .meta > *, .dock, .box > *, .sheet > *, .sidebar > *, .sub > *, .who > *";
    const out = (each) => {
        const { left, right, width } = each.getBoundingClientRect();
        const next = each.nextElementSibling?.getBoundingClientRect();
        const isOver = next?.width && next.top < each.getBoundingClientRect().bottom - 1 && next.left < right - 1;
        return width && (right > innerWidth + 1 || left < -1 || (isOver && next.left > left));
    };
    const all = [...document.querySelectorAll(css)];
    const seen = all.filter((each) => each.checkVisibility() && (innerWidth > 760 || !each.closest(".sidebar")));
    return seen.filter(out).map((each) => each.outerHTML.slice(0, 160));
"""


@pytest.mark.parametrize("width", [1280, 360])
def test_no_screen_is_broken_by_long_words_and_names_or_by_other_directions(page: Browser, width: int) -> None:
    sessions = page.run("return (await (await fetch('api/sessions')).json()).sessions.map(({ id }) => id)")
    assert isinstance(sessions, list)
    chats = [f"s/{each}" for each in sessions]
    found = {}
    page.resize(width, 760, phone=width < 700)
    for place in ["", *chats, f"{chats[0]}/timeline", f"pair/{sessions[0]}/{sessions[-1]}", *SCREENS, "tools/rules"]:
        go(page, place)
        problems = page.run(OUTSIDE)
        assert isinstance(problems, list)
        found[place] = [*overflowing(page), *problems]
    assert {place: problems for place, problems in found.items() if problems} == {}


def test_a_text_runs_its_own_way_and_the_page_does_not(page: Browser) -> None:
    page.find(".sessions a", "שלום לכולם").click()
    way = "getComputedStyle(document.querySelector(given[0])).direction"
    page.find(".bubble")
    for css in (".bubble", ".heading h1", ".sessions a[aria-current] .title"):
        page.until(f"{way} === 'rtl'", css)
    assert page.run(f"return [{way}, document.querySelector('.sidebar').getBoundingClientRect().left]", "body") == [
        "ltr",
        0,
    ]
    page.find(".composer textarea").click()
    page.type("שלום")
    assert page.run("return document.activeElement.matches(':dir(rtl)')")
