"""A gateway in which every screen has something to show, and the way to each."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import carapax
from tests.web import spent
from tests.web.browser import Browser
from tests.web.served import Process

WEB = Path(carapax.__file__).parent / "web"
SCREENS = re.findall(r"^  (\w+): \{", (WEB / "screens.js").read_text(encoding="utf-8"), re.MULTILINE)
CONFIG = (
    spent.CONFIG
    + """
[chains]
careful = ["demo/demo"]

[[policy.rules]]
verdict = "ask"
tool = "shell"
commands = ["git push **"]
reason = "What is pushed cannot be taken back."
"""
)
MESSAGES = (
    "remember that the deploy window is Tuesday at 10:00",
    "write 'print(6 * 7)' to answer.py then run `python3 answer.py`",
)


@contextmanager
def furnished(folder: Path, *, port: int = 0) -> Generator[Process, None, None]:
    """With a month of costs, two sessions, a secret and what else screens are about; nobody needs to sign in. Without
    a `port` it takes any free one at each start."""
    gateway = Process(folder / "home", f"[gateway]\nport = {port}\n{CONFIG}")
    spent.plant(gateway.home)
    gateway.start()
    try:
        for message in MESSAGES:
            gateway.carapax("chat", "-m", message)
        yield gateway
    finally:
        gateway.close()


def newest(browser: Browser) -> str:
    """The id of the session that was changed last."""
    found = browser.run("return (await (await fetch('api/sessions')).json()).sessions[0].id")
    assert isinstance(found, str)
    return found


def go(browser: Browser, gateway: Process, place: str) -> None:
    """Open a place of the page, and wait until it is filled."""
    browser.open(f"{gateway.url}/#/{place}")
    browser.until("document.querySelector('#main > *') && !document.querySelector('[aria-busy=true]')")
    browser.until("document.fonts.status === 'loaded'")
