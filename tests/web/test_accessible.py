"""Every screen can be used by everybody: no violation of the accessibility rules, all of it by keyboard, no sideways
scrolling on a phone."""

import hashlib
from collections.abc import Generator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.accessible import overflowing, unreachable, violations
from tests.web.browser import MISSING, Browser
from tests.web.furnished import SCREENS, furnished, go, newest
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
VENDOR = Path(__file__).parent / "vendor"
PLACES = ["", "SESSION", "SESSION/timeline", *SCREENS]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process, None, None]:
    with furnished(tmp_path_factory.mktemp("furnished")) as process:
        yield process


def opened(browser: Browser, gateway: Process, place: str, control: str = "") -> None:
    """Go to a place, and press something there by keyboard."""
    if "SESSION" in place:
        go(browser, gateway, "")
        session = newest(browser)
        place = place.replace("SESSION", session if place.startswith("pair") else f"s/{session}")
    go(browser, gateway, place)
    if control:
        browser.find(control).send_keys(Keys.ENTER)
        browser.until("document.querySelector('dialog[open]') || !document.querySelector('[aria-busy=true]')")


@pytest.fixture(params=PLACES)
def place(browser: Browser, gateway: Process, request: pytest.FixtureRequest) -> Generator[Browser, None, None]:
    """The page at one of its places."""
    browser.resize(1280, 800)
    opened(browser, gateway, str(request.param))
    yield browser
    browser.resize(1280, 800)
    browser.prefer()
    assert browser.violations == []


def test_no_place_breaks_a_rule_of_accessibility_light_or_dark_on_a_desk_or_a_phone(place: Browser) -> None:
    found = {}
    for scheme in ("light", "dark"):
        place.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        found[scheme] = violations(place)
    place.resize(360, 740, phone=True)
    found["phone"] = violations(place)
    assert found == {"light": [], "dark": [], "phone": []}


def test_everything_in_a_place_is_reached_by_the_keyboard_alone(place: Browser) -> None:
    assert unreachable(place) == []


def test_no_place_is_wider_than_a_small_phone(place: Browser) -> None:
    place.resize(360, 740, phone=True)
    assert overflowing(place) == []


STATES = {
    "a command is looked for": ("", ".sidebar .search"),
    "the keys are listed": ("", ".foot [aria-label='Keyboard shortcuts']"),
    "all agents are to be stopped": ("", ".foot [aria-label='Stop all agents']"),
    "a session is renamed": ("SESSION", "[aria-label='Rename']"),
    "a session is to end": ("SESSION", "[aria-label='End session']"),
    "a provider is added": ("models", ".actions .button"),
    "a secret is added": ("secrets", ".actions .button"),
    "an agent is added": ("agents", ".actions .button"),
    "an agent is removed": ("agents/main", ".actions .danger"),
    "an agent's persona": ("agents/main", "[data-name=persona]"),
    "an agent's settings": ("agents/main", "[data-name=settings]"),
    "an agent's tools": ("agents/main", "[data-name=tools]"),
    "the rules": ("tools/rules", "[aria-label='Change the rule']"),
    "a trial": ("tools/trial", ".form .primary"),
    "a rule among the settings": ("settings/policy", ".card > .button"),
    "the audit log": ("activity/audit", ""),
    "the traces": ("activity/traces", ""),
    "the log": ("activity/log", ""),
    "two sessions": ("pair/SESSION/SESSION", ""),
    "the set-up page": ("setup", ""),
    **{f"the wizard's {step}": (f"wizard/{step}", "") for step in ("model", "agent", "you", "sandbox", "done")},
}
HELD = """(() => {
    const dialog = document.querySelector("dialog[open]");
    return !dialog || dialog.contains(document.activeElement);
})()"""


@pytest.mark.parametrize("state", STATES)
def test_nothing_that_opens_breaks_a_rule_or_is_out_of_reach(browser: Browser, gateway: Process, state: str) -> None:
    browser.resize(1280, 800)
    opened(browser, gateway, *STATES[state])
    assert browser.until(HELD)
    found = {"light": violations(browser), "keyboard": unreachable(browser)}
    browser.prefer(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    found["dark"] = violations(browser)
    browser.prefer()
    browser.resize(360, 740, phone=True)
    found["phone"] = [*violations(browser), *overflowing(browser)]
    browser.resize(1280, 800)
    if browser.all("dialog[open]"):
        browser.type(Keys.ESCAPE)
        browser.until("!document.querySelector('dialog')")
        back = browser.run("return document.activeElement === document.querySelector(given[0])", STATES[state][1])
        found["focus comes back"] = [] if back else ["no"]
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert browser.violations == []


FORMS = {
    "a secret without a name": ("secrets", ".actions .button", "name"),
    "a token without a name": ("access", "", "name"),
    "a time zone that is none": ("settings/user", "", "timezone"),
    "a limit that is too high": ("settings/gateway", "", "port"),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_form_with_an_error_leads_to_the_first_wrong_field_and_says_what_is_wrong(
    browser: Browser, gateway: Process, case: str
) -> None:
    place, control, name = FORMS[case]
    browser.resize(1280, 800)
    opened(browser, gateway, place, control)
    field = browser.find(f"#main form [name={name}]")
    if "without" not in case:
        field.send_keys(Keys.CONTROL + "a" + Keys.NULL, "99999999")
    browser.run(
        "document.querySelector(`#main form [name=${given[0]}]`).form.querySelector('[type=submit]').focus()", name
    )
    browser.type(Keys.ENTER)
    browser.until("document.activeElement.name === given[0] && document.activeElement.ariaInvalid === 'true'", name)
    told = browser.run("""
        const ids = document.activeElement.getAttribute("aria-describedby").split(" ");
        return document.getElementById(ids.at(-1)).textContent;
    """)
    assert told
    assert violations(browser) == []


def test_the_rules_are_those_that_axe_core_published() -> None:
    for line in (VENDOR / "axe" / "SHA256SUMS").read_text(encoding="ascii").splitlines():
        digest, name = line.split()
        assert hashlib.sha256((VENDOR / "axe" / name).read_bytes()).hexdigest() == digest


def test_a_planted_fault_is_found(browser: Browser, gateway: Process) -> None:
    go(browser, gateway, "activity")
    browser.run("""
        const main = document.querySelector("main");
        const hidden = Object.assign(document.createElement("button"), { tabIndex: -1 });
        const wide = document.createElement("div");
        hidden.style.cssText = "width: 40px; height: 40px";
        wide.style.cssText = "width: 3000px; height: 1px";
        main.prepend(hidden, wide);
    """)
    assert any(each.startswith("button-name") for each in violations(browser))
    assert any("not reached" in each for each in unreachable(browser))
