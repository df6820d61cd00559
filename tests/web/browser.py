"""A headless Chromium, driven by conditions and never by pauses."""

import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = (CHROMIUM is None or CHROMEDRIVER is None) and not os.environ.get("CI")
WAIT_S = 10.0
POLL_S = 0.02
T = TypeVar("T")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_WATCH = """
window.violations = [];
const note = (...words) => violations.push(words.join(" "));
addEventListener("securitypolicyviolation", (event) => note(event.violatedDirective, event.blockedURI));
addEventListener("error", (event) => note("error:", event.message));
addEventListener("unhandledrejection", (event) => note("rejected:", event.reason));
"""
_SHOWN = """
    const [css, text] = arguments;
    const isSeen = (each) => each.checkVisibility({ opacityProperty: true, visibilityProperty: true })
        && [...each.getClientRects()].some(({ width, height }) => width && height);
    const isShown = (each) => isSeen(each.closest("select") ?? each);
    const moves = ({ playState, effect }) => playState === "running" && effect.getTiming().iterations < Infinity;
    const isMoving = (each) => moving.some(({ effect }) => effect.target?.contains(each));
    const found = [...document.querySelectorAll(css)]
        .find((each) => isShown(each) && (each.innerText ?? each.textContent).includes(text));
    const moving = found ? document.getAnimations().filter(moves) : [];
    return found && !isMoving(found) ? found : null;
"""


class Browser:
    """One window. `violations` are what broke the content security policy, and errors that no code caught."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})

    def open(self, url: str) -> None:
        """Load a page anew, even where only what follows `#` differs from the address that is shown."""
        if self.driver.current_url.partition("#")[0].rstrip("/") == url.partition("#")[0].rstrip("/"):
            self.driver.get("about:blank")
        self.driver.get(url)

    def forget(self, origin: str) -> None:
        """Drop what the page of an origin keeps in the browser."""
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})

    def resize(self, width: int, height: int, *, phone: bool = False, scale: float = 1) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})

    def prefer(self, **features: str) -> None:
        """Set media features such as `prefers_color_scheme="dark"`; without any, none is set."""
        given = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": given})

    def run(self, script: str, *arguments: object) -> object:
        """The result of an async JavaScript function body; `given` holds the arguments."""
        wrapped = f"""
            const given = [...arguments]; const done = given.pop();
            const told = (error) => done({{ error: String(error?.stack ?? error) }});
            (async () => {{ {script} }})().then((value) => done({{ value }}), told);
        """
        answer = self.driver.execute_async_script(wrapped, *arguments)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer.get("value")

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def find(self, css: str, text: str = "", *, within_s: float = WAIT_S) -> WebElement:
        """The first element that is shown and contains `text`, once there is one that does not move any more."""

        def shown(driver: webdriver.Chrome) -> WebElement | None:
            found: WebElement | None = driver.execute_script(_SHOWN, css, text)
            return found

        return self._wait(shown, f"no {css!r} with {text!r}", within_s)

    def until(self, script: str, *arguments: object, within_s: float = WAIT_S) -> object:
        """The value of a JavaScript expression, once it is true; `given` holds the arguments."""

        def met(_: webdriver.Chrome) -> object:
            return self.run(f"return {script}", *arguments)

        return self._wait(met, f"never true: {script}", within_s)

    def type(self, *keys: str) -> None:
        """Type into whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    @property
    def violations(self) -> list[str]:
        found = self.run("return window.violations")
        assert isinstance(found, list)
        return [str(each) for each in found]

    def _wait(self, met: Callable[[webdriver.Chrome], T | None], problem: str, within_s: float) -> T:
        try:
            found = WebDriverWait(self.driver, within_s, poll_frequency=POLL_S).until(met)
        except TimeoutException:
            page = self.run("return document.body.innerText")
            raise AssertionError(f"{problem} within {within_s} s; the page says:\n{page}\n{self.log()}") from None
        assert found is not None
        return found

    def log(self) -> list[str]:
        """What the browser wrote to its console since this was asked last."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]  # selenium


@contextmanager
def open_browser(
    profile: Path, *flags: str, environ: Mapping[str, str] | None = None
) -> Generator[Browser, None, None]:
    """Start Chromium with a new profile, further flags and variables, and end it afterwards."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or "chromium"
    for flag in (*_FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER or "chromedriver", env=environ))
    try:
        driver.set_script_timeout(WAIT_S)
        driver.set_page_load_timeout(WAIT_S)
        yield Browser(driver)
    finally:
        driver.quit()
