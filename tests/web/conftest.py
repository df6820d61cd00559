"""What the browser tests share: one Chromium, and the page's modules served as the gateway serves them."""

import threading
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import carapax
from carapax.gateway.responses import COMMON
from tests.web.browser import Browser, open_browser

WEB = Path(carapax.__file__).parent / "web"
_BLANK = b'<!doctype html><html lang="en"><link rel="stylesheet" href="style.css"><main id="out"></main>'


class _Modules(SimpleHTTPRequestHandler):
    """The files of the page, and an empty page at `/blank` to load them from."""

    def do_GET(self) -> None:
        if self.path != "/blank":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(_BLANK)))
        self.end_headers()
        self.wfile.write(_BLANK)

    def end_headers(self) -> None:
        for name, value in COMMON.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        pass


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser, None, None]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def desk(request: pytest.FixtureRequest) -> None:
    """Each test begins with a desk's window, whatever one before it has left."""
    if "browser" in request.fixturenames:
        browser = request.getfixturevalue("browser")
        browser.resize(1280, 800)
        browser.prefer()


@pytest.fixture(scope="session")
def modules_url() -> Generator[str, None, None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Modules, directory=str(WEB)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def modules(browser: Browser, modules_url: str) -> Browser:
    """The browser on an empty page from which the page's modules can be imported."""
    browser.open(f"{modules_url}/blank")
    return browser
