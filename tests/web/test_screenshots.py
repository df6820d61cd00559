"""Every place of the page is drawn in light, in dark and on a phone, and docs/ shows each."""

from pathlib import Path

import pytest

from tests.web.browser import MISSING, Browser
from tests.web.furnished import SCREENS, furnished
from tests.web.picture import Seen, seen
from tests.web.screenshots import IMAGES, PLACES, UNFURNISHED, pictures, used
from tests.web.terminal import conversation

DESK, PHONE = (1280, 800), (390, 800)


@pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
def test_every_place_is_drawn_light_dark_and_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    found: dict[str, Seen] = {}
    with furnished(tmp_path) as gateway:
        terminal = seen(browser, conversation(browser, gateway))
        for name, png in pictures(browser, gateway):
            found[name] = seen(browser, png)
            assert browser.all(".toast") == [], name
        browser.resize(1280, 800)
        browser.prefer()
        assert browser.violations == []
        for host in (gateway.url, gateway.url.replace("127.0.0.1", "localhost")):
            browser.forget(host)
    assert (terminal.width, terminal.height) == (770, 488)
    assert 0.02 < terminal.drawn < 0.5 > terminal.light
    assert len(found) == 3 * len(PLACES)
    for name in PLACES:
        light, dark, phone = (found[name + look] for look in ("", "-dark", "-phone"))
        assert [(each.width, each.height) for each in (light, dark, phone)] == [DESK, DESK, PHONE]
        assert min(light.drawn, dark.drawn, phone.drawn) > 0.02, name
        assert light.light > 0.5 > dark.light, name


def test_docs_show_every_screen_and_no_page_lacks_its_picture() -> None:
    assert {path.stem for path in IMAGES.glob("*.png")} == used()
    assert [name for name in SCREENS if name not in {*used(), *UNFURNISHED}] == []


def test_the_pictures_of_docs_are_small() -> None:
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < 3_000_000
