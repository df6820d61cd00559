"""Every screen can be used by everybody: no violation of the accessibility rules, all of it by keyboard, no sideways
scrolling on a phone."""

import hashlib
from collections.abc import Generator
from pathlib import Path

import pytest

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


@pytest.fixture(params=PLACES)
def place(browser: Browser, gateway: Process, request: pytest.FixtureRequest) -> Generator[Browser, None, None]:
    """The page at one of its places."""
    browser.forget(gateway.url)
    browser.resize(1280, 800)
    where = str(request.param)
    if where.startswith("SESSION"):
        go(browser, gateway, "")
        where = where.replace("SESSION", f"s/{newest(browser)}")
    go(browser, gateway, where)
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
