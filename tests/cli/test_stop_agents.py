"""`carapax stop-agents`."""

from carapax.cli.serving import Serving
from tests.cli.conftest import Run


def test_agents_are_stopped_and_released_through_the_gateway(run: Run, gateway: Serving) -> None:
    assert "0 runs were ended" in run("stop-agents", "too loud").output
    said = run("chat", "-m", "what did I say")
    assert said.exit_code == 1
    assert "all agents were stopped by local: too loud; your message is kept" in said.stderr
    assert "all agents were stopped by local: too loud" in run("doctor").output
    assert "released: all agents were stopped by local: too loud" in run("stop-agents", "--release").output
    assert run("stop-agents", "--release").output == "the agents were not stopped\n"


def test_agents_are_stopped_and_released_without_a_gateway(run: Run) -> None:
    run("stop-agents")
    assert "warn  agents         all agents were stopped by local" in run("doctor").output
    run("stop-agents", "--release")
    assert "ok    agents         may run" in run("doctor").output
