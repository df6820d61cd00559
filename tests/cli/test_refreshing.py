"""Facts of models are fetched anew, whether a gateway runs or not."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from carapax.cli.refreshing import refresh
from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.errors import CarapaxError
from carapax.models.facts import FactBook
from tests.cli.conftest import CONFIG

MODELS = {f"m{number}": {"limit": {"context": 777}} for number in range(4_000)}


class _Table(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"openai": {"models": MODELS}} if self.path == "/api.json" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        pass


@pytest.fixture
def url(home: Home) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Table)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/api.json"
    home.config_file.write_text(f'{CONFIG}\n[facts]\nurl = "{address}"\n')
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def context(home: Home) -> int:
    return FactBook({}, {}, home.facts_file).of("openai", "m1").context_tokens


def test_a_table_is_fetched_without_a_gateway(url: str, home: Home) -> None:
    assert context(home) == 128_000
    done = refresh(home)
    assert (done.url, done.models, context(home)) == (url, 4_000, 777)


def test_a_running_gateway_fetches_it_and_uses_it_at_once(url: str, home: Home, gateway: Serving) -> None:
    assert refresh(home).models == 4_000
    assert context(home) == 777


def test_what_is_no_table_is_refused(url: str, home: Home) -> None:
    home.config_file.write_text(home.config_file.read_text().replace("/api.json", "/other"))
    with pytest.raises(CarapaxError, match="has 0 models"):
        refresh(home)
    assert not home.facts_file.exists()
