"""Pictures of the page for the README: `python -m tests.web.screenshots`."""

import tempfile
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from tests.web import spent
from tests.web.browser import Browser, open_browser
from tests.web.served import Process

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PROGRAM = "print(*(f'{n:>3} squared is {n * n:>5}' for n in range(7, 12)), sep=chr(10))"
EARLIER = ("what did I say", "search deploy in notes.md", "run `uname -a`", "list .")
MESSAGES = (
    "remember that the deploy window is Tuesday at 10:00",
    f'write "{PROGRAM}" to squares.py then run `python3 squares.py`',
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        take_costs(Path(folder))
        gateway = Process(Path(folder) / "home")
        gateway.start()
        try:
            with open_browser(Path(folder) / "profile") as browser:
                take_all(browser, gateway.url)
        finally:
            gateway.close()


def take_all(browser: Browser, url: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    browser.resize(1280, 800)
    for message in EARLIER:
        browser.open(url)
        say(browser, message)
    browser.open(url)
    for message in MESSAGES:
        say(browser, message)
    browser.prefer(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    browser.all("details.tool summary")[-1].click()
    take(browser, "chat-light")
    browser.prefer(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    take(browser, "chat-dark")
    browser.prefer(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    browser.find(".tabs a[href$=timeline]").click()
    browser.find(".events li[data-seq='14'] .event").click()
    browser.find(".events li[data-seq='14'] .unfold").click()
    take(browser, "timeline")
    browser.find(".tabs a").click()
    browser.find(".chat .answer")
    browser.resize(390, 800, phone=True, scale=2)
    take(browser, "phone")


def take_costs(folder: Path) -> None:
    gateway = Process(folder / "spent" / "home", spent.CONFIG)
    spent.plant(gateway.home)
    gateway.start()
    try:
        with open_browser(folder / "spent" / "profile") as browser:
            browser.resize(1280, 800)
            browser.prefer(prefers_color_scheme="light", prefers_reduced_motion="reduce")
            browser.open(f"{gateway.url}/#/costs")
            browser.find(".bars svg")
            take(browser, "costs")
    finally:
        gateway.close()


def say(browser: Browser, message: str) -> None:
    browser.find(".composer textarea").click()
    before = browser.run("return document.querySelectorAll('.user').length")
    browser.driver.switch_to.active_element.send_keys(message, Keys.ENTER)
    browser.until("document.querySelectorAll('.session .user').length > given[0]", before)
    browser.until("document.querySelector('.conversation > :last-child:is(.answer, .notice)')")


def take(browser: Browser, name: str) -> None:
    """Two frames after the last change, so that all is drawn."""
    browser.run("await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    browser.driver.save_screenshot(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    main()
