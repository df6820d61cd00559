"""`carapax status`."""

import msgspec

from carapax.cli.serving import Serving
from carapax.cli.status import Overview
from carapax.cli.terminal import time_of
from carapax.config import Home
from tests.cli.conftest import CONFIG, GatewayOf, Run
from tests.tls.making import write_own


def test_a_gateway_that_does_not_run_is_told(run: Run, home: Home) -> None:
    done = run("status")
    assert done.exit_code == 3
    assert f"no gateway runs on {home.data_dir}: start it with `carapax`" in done.output
    told = msgspec.json.decode(run("status", "--json").output, type=Overview)
    assert told == Overview(str(home.data_dir), False)


def test_a_running_gateway_is_on_one_screen(run: Run, gateway: Serving) -> None:
    run("chat", "-m", "hello")
    done = run("status")
    assert done.exit_code == 0
    assert f"at {gateway.running.url}" in done.output
    assert "agent main: demo/demo; sandbox bubblewrap" in done.output
    assert "running    nothing" in done.output
    assert "today      0.00 USD" in done.output
    assert len(done.output.splitlines()) < 24


def test_programs_get_it_as_json(run: Run, gateway: Serving) -> None:
    told = msgspec.json.decode(run("status", "--json").output, type=Overview)
    assert (told.running, told.url, told.version) == (True, gateway.running.url, gateway.running.version)
    assert [agent.name for agent in told.agents] == ["main"]
    assert (told.tls.mode, told.channels) == ("off", [])


def test_until_when_the_certificate_is_good_is_told(run: Run, home: Home, gateway_of: GatewayOf) -> None:
    write_own(home.config_dir / "cert.pem", home.config_dir / "key.pem", "desk.example")
    with gateway_of(f'{CONFIG}[tls]\ncert = "cert.pem"\nkey = "key.pem"\n'):
        certificate = msgspec.json.decode(run("status", "--json").output, type=Overview).tls.certificate
        assert certificate is not None
        told = run("status").output
    assert f"connection encrypted (TLS), certificate until {time_of(certificate.until)}" in told


def test_how_each_channel_is_is_told(run: Run, gateway_of: GatewayOf) -> None:
    with gateway_of(f'{CONFIG}["channels"."tests.fakes.live_channel"]\n'):
        assert "ok   channel live listens since " in run("status").output


def test_stopped_agents_are_told(run: Run, gateway: Serving) -> None:
    run("stop-agents", "too dear")
    assert "too dear" in run("status").output
