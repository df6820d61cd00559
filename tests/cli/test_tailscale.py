"""`carapax tailscale`."""

import os
from pathlib import Path

import pytest

from carapax.cli.serving import Serving
from carapax.home import Home
from tests.cli.conftest import CONFIG, GatewayOf, Run
from tests.fakes.tailscale import NAME, FakeTailscale


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTailscale:
    made = FakeTailscale(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.environ['PATH']}{os.pathsep}{os.environ['PATH']}")
    return made


def test_a_gateway_has_to_run(run: Run) -> None:
    assert "no gateway runs on this home" in run("tailscale").output


def test_it_is_served_shown_and_taken_back(home: Home, fake: FakeTailscale, gateway_of: GatewayOf, run: Run) -> None:
    with gateway_of(CONFIG):
        assert run("tailscale").output.startswith("reached by   nobody\nTailscale    Running, version 1.102.2")
        served = run("tailscale", "serve").output
        assert f"reached by   the machines of your tailnet\naddress      https://{NAME}\n" in served
        assert 'mode = "serve"' in home.config_file.read_text()
        assert run("tailscale", "status").output == served
        assert run("tailscale", "off").output.startswith("reached by   nobody\n")
    assert fake.serving == {}


def test_the_whole_internet_is_let_in_only_by_a_yes_and_behind_a_credential(
    fake: FakeTailscale, gateway_of: GatewayOf, run: Run
) -> None:
    with gateway_of(CONFIG):
        assert run("tailscale", "funnel", typed="n\n").exit_code == 1
        refused = run("tailscale", "funnel", "--yes")
        assert refused.exit_code == 1
        assert "nothing protects this gateway yet" in refused.output
        assert fake.serving == {}
        run("token", "create", "phone")
        assert "EVERYBODY on the internet" in run("tailscale", "funnel", "--yes").output


def test_without_tailscale_the_remedy_is_told(gateway: Serving, run: Run) -> None:
    assert "https://tailscale.com/download" in run("tailscale").output
