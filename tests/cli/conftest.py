"""A home whose agent is the offline demo, and a gateway that runs on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from carapax.cli.background import Background
from carapax.cli.group import carapax
from carapax.cli.serving import Serving, serve
from carapax.config import Home
from carapax.configfile import load

CONFIG = """
[agents.main]
model = "demo/demo"
"""

Run = Callable[..., Result]
GatewayOf = Callable[[str], Background[Serving]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    place = Home.resolve(tmp_path / "home", None, None, {})
    place.config_dir.mkdir(mode=0o700)
    place.config_file.write_text(CONFIG)
    monkeypatch.setenv("CARAPAX_HOME", str(place.config_dir))
    return place


@pytest.fixture
def gateway_of(home: Home) -> GatewayOf:
    """Run a gateway on the home with another configuration."""

    def start(config: str) -> Background[Serving]:
        home.config_file.write_text(config)
        home.run_file.parent.mkdir(parents=True, exist_ok=True)
        return Background(serve(home, load(home)))

    return start


@pytest.fixture
def gateway(home: Home, gateway_of: GatewayOf) -> Iterator[Serving]:
    with gateway_of(home.config_file.read_text()) as serving:
        yield serving


@pytest.fixture
def run(home: Home) -> Run:
    """Run a command on the home and return what became of it."""

    def run_command(*arguments: str, typed: str | bytes | None = None) -> Result:
        return CliRunner().invoke(carapax, list(arguments), input=typed, catch_exceptions=False)

    return run_command
