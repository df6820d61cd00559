"""`carapax serve` as a process."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from carapax.cli.rpc import find_gateway
from carapax.config import Home
from carapax.configfile import load
from tests.cli.conftest import CONFIG, Run

COMMAND = [sys.executable, "-m", "carapax"]
READY = "Ctrl-C stops.\n"


@contextmanager
def started(home: Home, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A gateway that is ready, and what it has printed; killed at the end if it still runs."""
    environ = {**os.environ, "CARAPAX_HOME": str(home.config_dir)}
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, *arguments], stdout=pipe, stderr=pipe, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while not printed.endswith(READY):
                line = process.stdout.readline()
                assert line, process.stderr and process.stderr.read()
                printed += line
            yield process, printed
        finally:
            process.kill()


def refused(home: Home, *arguments: str) -> tuple[int, str]:
    environ = {**os.environ, "CARAPAX_HOME": str(home.config_dir)}
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=environ, timeout=60, check=False)
    return done.returncode, done.stderr


def test_the_start_says_what_may_be_spent_and_what_is_guessed(home: Home) -> None:
    budgets = '[agents.main]\nmodel = "deepseek/x9"\nmonthly_usd = 0\n[budget]\ndaily_usd = 2.5\n'
    home.config_file.write_text(budgets)
    with started(home, "--port", "0") as (_, printed):
        assert "  budget   daily: 2.50 USD may be spent\n  budget   monthly of main: nothing may be spent\n" in printed
        assert "  price    the model deepseek/x9 is not known: 128,000 tokens of context are assumed" in printed
    home.config_file.write_text(CONFIG)
    with started(home, "--port", "0") as (_, printed):
        assert "  budget   no limit to what all agents together may spend: set budget.daily_usd" in printed


def test_the_first_start_says_where_it_is_and_which_model_answers(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "new", None, None, {})
    with started(home) as (process, printed):
        assert printed.startswith("carapax ")
        assert f"http://127.0.0.1:{load(home).gateway.port}" in printed
        assert f"wrote    {home.config_file}" in printed
        assert "agent    main: model " in printed
        assert "sandbox  bubblewrap" in printed
        assert f"owner    open http://localhost:{load(home).gateway.port}/#/setup and type the code " in printed
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_nothing_is_left_behind(home: Home, number: signal.Signals) -> None:
    with started(home, "--port", "0") as (process, _):
        gateway = find_gateway(home)
        assert gateway is not None
        assert gateway.call("health", {}, dict[str, str]) == {"status": "ok"}
        process.send_signal(number)
        assert process.wait(60) == 0
    assert not home.run_file.exists()


def test_a_second_gateway_on_the_same_home_is_refused_and_told_of_the_first(home: Home) -> None:
    with started(home) as (process, _):
        code, said = refused(home)
        assert code == 1
        assert f"another gateway (process {process.pid}) holds {home.data_dir}: http://127.0.0.1:" in said
        assert "--home" in said


def test_after_a_kill_it_starts_again_with_everything(home: Home, run: Run) -> None:
    with started(home) as (process, _):
        assert run("chat", "-m", "my dog is Rex").exit_code == 0
        process.kill()
        process.wait()
    assert find_gateway(home) is None
    with started(home):
        session = run("sessions", "list").output.split()[0]
        assert "my dog is Rex" in run("chat", "--session", session, "-m", "what did I say").stdout


def test_a_port_in_use_is_named_with_the_remedy(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused(home, "--port", str(port))
    assert code == 1
    assert f"port {port} of 127.0.0.1 is in use" in said
    assert "gateway.port" in said


def test_an_open_address_without_a_credential_is_refused_unless_it_encrypts_and_can_be_set_up(home: Home) -> None:
    code, said = refused(home, "--host", "0.0.0.0", "--port", "0", "--no-tls")
    assert code == 2
    assert "carapax owner password" in said
    with started(home, "--host", "0.0.0.0", "--port", "0") as (_, printed):
        assert re.search(r"owner    open https://localhost:\d+/#/setup and type the code \w{4}-\w{4}\n", printed)
        gateway = find_gateway(home)
        assert gateway is not None
        host, port = gateway.running.url.removeprefix("https://").split(":")
        context = gateway.running.context()
        found = {}
        for path in ("/auth", "/status", "/api/sessions", "/api/owner"):
            connection = HTTPSConnection(host, int(port), context=context, timeout=60)
            connection.request("GET", path)
            found[path] = connection.getresponse().status
            connection.close()
        assert found == {"/auth": 200, "/status": 401, "/api/sessions": 401, "/api/owner": 401}


def test_a_damaged_database_is_refused_by_name(home: Home, run: Run) -> None:
    run("token", "create")
    damaged = b"not a database at all" * 1000
    home.database_file.write_bytes(damaged)
    code, said = refused(home)
    assert code == 1
    assert f"{home.database_file}: the database is damaged" in said
    assert "sessions import" in said
    assert home.database_file.read_bytes() == damaged


def test_a_home_that_cannot_be_written_is_named(home: Home) -> None:
    home.data_dir.write_text("a file in the place of the folder")
    code, said = refused(home)
    assert code == 1
    assert f"{home.data_dir} cannot be written" in said
    assert "--home" in said


def test_a_home_apart_from_its_data(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "carapax.toml").write_text(CONFIG)
    home = Home(tmp_path / "etc", tmp_path / "var")
    with started(home, "--config-dir", str(home.config_dir), "--data-dir", str(home.data_dir)):
        assert home.database_file.exists()
    assert [entry.name for entry in home.config_dir.iterdir()] == ["carapax.toml"]
