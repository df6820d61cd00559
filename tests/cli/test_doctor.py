"""`carapax doctor`."""

import subprocess
import sys

import msgspec
import pytest
from msgspec.structs import replace

from carapax.cli.background import Background
from carapax.cli.serving import serve
from carapax.config import Home, TlsConfig
from carapax.configfile import load
from carapax.doctor.finding import Finding
from tests.cli.conftest import GatewayOf, Run


def test_what_fails_exits_with_1_and_has_its_remedy_below(run: Run, home: Home) -> None:
    home.config_file.write_text("[gatway]\n")
    done = run("doctor")
    assert done.exit_code == 1
    assert "FAIL  configuration" in done.output
    assert f"correct {home.config_file}" in done.output


def test_nothing_is_imported_of_what_runs_agents() -> None:
    code = (
        "import sys, carapax.cli.doctor;"
        "print([name for name in sys.modules if name.startswith(('carapax.agent', 'carapax.sessions'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_findings_may_be_read_by_a_program(run: Run) -> None:
    lines = run("doctor", "--json").output.splitlines()
    found = [msgspec.json.decode(line, type=Finding) for line in lines]
    assert {finding.check for finding in found} >= {"configuration", "home", "database", "port", "sandbox", "clock"}


def test_it_looks_at_the_gateway_as_it_was_started(run: Run, home: Home) -> None:
    config = load(home)
    with Background(serve(home, replace(config, tls=TlsConfig("on")))):
        assert "tls            encrypted, for localhost" in run("doctor").output


def test_what_the_gateway_answers_with_is_said_though_the_doctor_finds_another_model_by_now(
    run: Run, gateway_of: GatewayOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carapax.models.detection._PROBE_S", 0.0)  # no model server of this machine is found
    with gateway_of('[agents.main]\nmodel = "auto"\n'):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
        before = run("doctor").output
        assert "the gateway still answers with demo/demo; found by now: openai/" in before
        assert "`carapax models providers`" in before
        run("models", "providers")
        after = run("doctor").output
        assert ("demo" in after, "OPENAI_API_KEY is set" in after) == (False, True)


def test_with_fix_what_can_be_repaired_is_and_it_is_told_what_was_done(run: Run, home: Home) -> None:
    home.config_file.chmod(0o600)
    home.config_dir.chmod(0o755)
    assert "`carapax doctor --fix` does it" in run("doctor").output
    done = run("doctor", "--fix", "--json")
    found = [msgspec.json.decode(line, type=Finding) for line in done.output.splitlines()]
    assert [finding.fixed for finding in found if finding.fixed] == [f"only you can get at {home.config_dir} now"]
    assert home.config_dir.stat().st_mode & 0o777 == 0o700
    assert "--fix" not in run("doctor").output
