"""Pictures of the page for docs/, each as often as a page there uses it: `python -m tests.web.screenshots`.

`NAME.png` is how a place of the page looks on a desk in light colours, `NAME-dark.png` in dark ones, `NAME-phone.png`
on a phone; `terminal.png` is the same talk in the terminal. `python -m tests.web.screenshots FOLDER` makes all of them,
to be looked at.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from carapax.cli.rpc import find_gateway
from tests.web.browser import Browser, open_browser
from tests.web.furnished import SCREENS, asking, drafting, furnished, go_on, newest, replay, to
from tests.web.picture import shot, small
from tests.web.served import Process
from tests.web.terminal import conversation

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
LOOKS = {"": "light", "-dark": "dark", "-phone": "light"}
UNFURNISHED = ("channels", "wizard")  # what is only there with an extension, and what has a picture for each step
Way = Callable[[Browser, Process], None]
_AT_HOME = """
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walk.nextNode()) texts.push(walk.currentNode);
    for (const each of texts.filter(({ data }) => data.includes(given[0]))) {
        each.data = each.data.replaceAll(given[0], "/home/sam/.carapax");
    }
"""  # where people have it, instead of a folder for the moment


def go(browser: Browser, place: str) -> None:
    """To a place, without loading the page again."""
    browser.run("document.querySelectorAll('dialog').forEach((each) => each.close())")
    to(browser, place)


def at(place: str, *clicks: str) -> Way:
    """To a place, and on by clicks on what such selectors find."""

    def way(browser: Browser, gateway: Process) -> None:
        go(browser, place)
        for css in clicks:
            browser.find(css)
            browser.run("document.querySelector(given[0]).click()", css)

    return way


def chat(browser: Browser, gateway: Process) -> None:
    go(browser, f"s/{newest(browser)}")
    browser.until("document.querySelector('.conversation').textContent.includes('$')")


def approval(browser: Browser, gateway: Process) -> None:
    go(browser, f"s/{asking(browser)}")
    browser.until("document.querySelector('.approval button[data-name=deny]')?.ariaDisabled === 'false'")


def timeline(browser: Browser, gateway: Process) -> None:
    at(f"s/{newest(browser)}/timeline/7", ".events li[data-seq='7'] .unfold")(browser, gateway)
    browser.run("document.activeElement.blur()")


def activity(browser: Browser, gateway: Process) -> None:
    go(browser, "activity")
    go_on(gateway, drafting(browser))
    browser.find(".live-list li .kind", "Run finished")


def pair(browser: Browser, gateway: Process) -> None:
    session = newest(browser)
    go(browser, f"pair/{session}/{replay(gateway, session)}")
    browser.until("document.querySelectorAll('.pair .answer').length >= 2")


def palette(browser: Browser, gateway: Process) -> None:
    go(browser, "costs")
    browser.type(Keys.CONTROL + "k" + Keys.NULL)
    browser.find(".palette input").send_keys("se")
    browser.find(".palette li", "Sessions")


def refused(browser: Browser, gateway: Process) -> None:
    go(browser, "settings/user")
    browser.find("[name=timezone]").clear()
    browser.find("[name=timezone]").send_keys("Mars/Olympus", Keys.ENTER)
    browser.find(".field .problem", "Mars/Olympus")


def at_name(browser: Browser, gateway: Process, place: str) -> None:
    """Passkeys belong to names, and so to no address."""
    browser.open(f"{gateway.url.replace('127.0.0.1', 'localhost')}/#/{place}")
    browser.find(".sign-in h1")


def set_up(browser: Browser, gateway: Process) -> None:
    at_name(browser, gateway, "setup")


def sign_in(browser: Browser, gateway: Process) -> None:
    """From here on everybody has to."""
    running = find_gateway(gateway.home)
    assert running is not None
    running.call("owner.password", {"new": "correct horse battery staple"}, dict[str, object])
    at_name(browser, gateway, "")
    browser.find(".sign-in h1", "Sign in")


PLACES: dict[str, Way] = {
    "welcome": at(""),
    "chat": chat,
    "approval": approval,
    "timeline": timeline,
    "audit": at("activity/audit"),
    "traces": at("activity/traces"),
    "log": at("activity/log"),
    **{name: at(name) for name in SCREENS if name not in UNFURNISHED},
    "activity": activity,
    "agent": at("agents/main"),
    "persona": at("agents/main", "[role=tab][data-name=persona]"),
    "rules": at("tools/rules"),
    "trial": at("tools/trial", ".form .primary"),
    "settings-form": at("settings/budget"),
    "settings-refused": refused,
    "palette": palette,
    "keys": at("", "[aria-label='Keyboard shortcuts']"),
    **{f"wizard-{step}": at(f"wizard/{step}") for step in ("model", "agent", "you", "sandbox", "done")},
    "pair": pair,
    "setup": set_up,
    "sign-in": sign_in,
}


def drawn(browser: Browser, gateway: Process) -> Iterator[tuple[str, bytes]]:
    """All pictures: of the terminal, and of every place of the page."""
    yield "terminal", conversation(browser, gateway)
    yield from pictures(browser, gateway)


def pictures(browser: Browser, gateway: Process) -> Iterator[tuple[str, bytes]]:
    """Every place in every look, by name, as PNG."""
    browser.resize(1280, 800)
    browser.open(gateway.url)
    browser.find(".sub", "Ada")
    for name, way in PLACES.items():
        browser.resize(1280, 800)
        way(browser, gateway)
        for look, scheme in LOOKS.items():
            if look == "-phone":
                browser.resize(390, 800, phone=True)
            browser.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
            browser.run(_AT_HOME, str(gateway.home.config_dir))
            yield name + look, shot(browser)


def used() -> set[str]:
    """The names of the pictures that pages of docs/ and the README show."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return {name for page in pages for name in re.findall(r"images/([\w-]+)\.png\)", page.read_text(encoding="utf-8"))}


def main() -> None:
    folder, wanted = (Path(sys.argv[1]), None) if len(sys.argv) > 1 else (IMAGES, used())
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        furnished(Path(home)) as gateway,
        open_browser(Path(home) / "profile") as browser,
    ):
        for name, png in drawn(browser, gateway):
            if wanted is None or name in wanted:
                (folder / f"{name}.png").write_bytes(png if wanted is None else small(browser, png))


if __name__ == "__main__":
    main()
