"""`carapax status`."""

import msgspec

from carapax.cli.serving import Serving
from carapax.cli.status import Overview
from carapax.config import Home
from tests.cli.conftest import Run


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


def test_stopped_agents_are_told(run: Run, gateway: Serving) -> None:
    run("stop-agents", "too dear")
    assert "too dear" in run("status").output
