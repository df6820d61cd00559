"""`carapax init`."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from carapax.cli.background import Background
from carapax.cli.serving import serve
from carapax.config import Home
from carapax.configfile import load
from tests.cli.conftest import Run
from tests.fakes.vendor import Vendor

KEY, WRONG = "sk-the-right-one-0123456789", "sk-the-wrong-one-0123456789"
ALL = ("--agent-title", "Ada", "--emoji", "🦀", "--manner", "dry", "--user-name", "Sam", "--timezone", "Europe/Berlin")


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Background(Vendor(KEY)) as found:
        yield found


def written(home: Home) -> dict[str, Any]:
    return tomllib.loads(home.config_file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("running", [True, False])
def test_a_home_is_set_up_without_a_question(home: Home, run: Run, vendor: Vendor, running: bool) -> None:
    home.run_file.parent.mkdir(parents=True)
    provider = ("--provider", "lab", "--base-url", vendor.url, "--key-stdin")

    def go() -> str:
        return run("init", "--yes", "--sandbox", "local", *provider, *ALL, typed=f"{KEY}\n").output

    if running:
        with Background(serve(home, load(home))):
            told = go()
    else:
        told = go()
    assert KEY not in told
    for text in ("model    lab", "agent    main: 🦀 Ada, dry", "you      Sam, Europe/Berlin", "sandbox  local, none: "):
        assert text in told
    agent = {"model": "lab", "title": "Ada", "emoji": "🦀", "manner": "dry", "sandbox": "local"}
    user, lab = {"name": "Sam", "timezone": "Europe/Berlin"}, {"base_url": vendor.url}
    assert written(home) == {"agents": {"main": agent}, "user": user, "providers": {"lab": lab}}
    assert "setup.finish" in run("audit").output


def test_repeated_it_shows_what_is_and_changes_what_is_given(home: Home, run: Run) -> None:
    run("init", "--yes", *ALL)
    before = home.config_file.read_bytes()
    assert "agent    main: 🦀 Ada, dry" in run("init", "--yes").output
    assert home.config_file.read_bytes() == before
    assert "agent    main: Eve, dry" in run("init", "--yes", "--agent-title", "Eve", "--emoji", "").output
    assert written(home)["agents"]["main"] == {"model": "demo/demo", "title": "Eve", "manner": "dry"}


def test_the_password_is_read_after_the_key(home: Home, run: Run, vendor: Vendor) -> None:
    words = "correct horse battery staple"
    provider = ("--provider", "lab", "--base-url", vendor.url, "--key-stdin", "--password-stdin")
    done = run("init", *provider, *ALL, typed=f"{KEY}\n{words}\n")
    assert (done.exit_code, words in done.output, "missing" in done.output) == (0, False, False), done.output


def test_with_a_key_that_does_not_answer_nothing_is_changed(home: Home, run: Run, vendor: Vendor) -> None:
    before = home.config_file.read_bytes()
    provider = ("--provider", "lab", "--base-url", vendor.url, "--key-stdin")
    refused = run("init", "--yes", *provider, *ALL, typed=f"{WRONG}\n")
    assert (refused.exit_code, "is not one of ours" in refused.stderr, WRONG in refused.output) == (1, True, False)
    assert home.config_file.read_bytes() == before
    assert "lab" not in run("models", "providers").output
    assert run("init", "--yes", *provider, *ALL, "--no-check", typed=f"{WRONG}\n").exit_code == 0
    assert written(home)["providers"] == {"lab": {"base_url": vendor.url}}


def test_what_does_not_fit_is_said_before_a_key_is_kept(home: Home, run: Run) -> None:
    before = home.config_file.read_bytes()
    provider = ("--provider", "openai", "--key-stdin", "--no-check")
    for wrong in (("--timezone", "Mars/Olympus"), ("--model", "nobody/x"), ("--sandbox", "cellar")):
        assert run("init", "--yes", *provider, *wrong, typed=f"{KEY}\n").exit_code == 2
        assert home.config_file.read_bytes() == before
        assert "openai" not in run("models", "providers").output
    assert run("init", "--yes", *provider, "--model", "openai/gpt-5", typed=f"{KEY}\n").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--agent-title", "x" * 81), "agents.main.title"),
        (("--timezone", "Mars/Olympus"), "Mars/Olympus"),
        (("--sandbox", "cellar"), "cellar"),
        (("--user-name", "sk-ant-api03-" + "A1b2C3d4" * 6), "a secret does not belong"),
        (("--key-stdin",), "the provider has no name"),
        (("--agent-title", "Ada", "--password-stdin"), "the password is too short"),
        (("--provider", "openai", "--key-stdin"), "there is no key on standard input"),
        (("--provider", "nobody"), "nobody"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_changed(
    home: Home, run: Run, arguments: tuple[str, ...], why: str
) -> None:
    before = home.config_file.read_bytes()
    refused = run("init", "--yes", *arguments, typed="")
    assert (refused.exit_code != 0, why in refused.output) == (True, True)
    assert home.config_file.read_bytes() == before


def test_a_new_home_is_made(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.models.detection._PROBE_S", 0.0)  # no model server of this machine is found
    done = run("init", "--yes", "--user-name", "Sam", "--home", str(tmp_path / "new"))
    assert done.exit_code == 0
    assert "missing  owner, model, agent" in done.output
    assert 'name = "Sam"' in (tmp_path / "new" / "carapax.toml").read_text(encoding="utf-8")


def typed(command: list[str], environ: dict[str, str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """What a command said and ended with at a terminal where each question is answered when it is asked."""
    main, side = pty.openpty()
    told = ""
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environ, start_new_session=True) as asked:
        os.close(side)
        for question, answer in answers:
            seen = len(told)
            while question not in told[seen:]:
                assert select.select([main], [], [], 60)[0], told
                told += os.read(main, 4096).decode()
            os.write(main, f"{answer}\n".encode())
        with contextlib.suppress(OSError):  # the terminal goes with the command
            while more := os.read(main, 4096):
                told += more.decode()
        asked.wait(60)
    os.close(main)
    return asked.returncode, told


def environ_of(home: Home) -> dict[str, str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TERM": "dumb"}
    return environ | {"CARAPAX_HOME": str(home.config_dir), "HOME": str(home.config_dir), "LANG": "C.UTF-8"}


def test_in_a_narrow_terminal_what_is_told_breaks_between_words(home: Home, run: Run) -> None:
    run("init", "--yes", *ALL)
    command = [sys.executable, "-m", "carapax", "init"]
    code, told = typed(command, environ_of(home) | {"COLUMNS": "40"}, [("offline demo", "")])
    said = [line for line in told.splitlines() if not line.startswith("Vendor, empty")]
    assert (code, [line for line in said if cell_len(line) > 40]) == (0, []), told
    assert said[0].startswith("Vendors of models: ")
    for text in ("model    demo/demo (chosen in the configuration)", "or say something with `carapax chat`."):
        assert text in " ".join(line.strip() for line in said)


def test_at_a_terminal_what_is_missing_is_asked(home: Home, vendor: Vendor) -> None:
    """Over a terminal without colours, with a key that is wrong at first."""
    environ = environ_of(home) | {"TZ": "Asia/Tokyo"}
    provider = [("Vendor", "lab"), ("Address", vendor.url)]
    agent = [("call your agent", "Ada"), ("emoji", ""), ("talk to you", "brief")]
    you = [("call you?", "Sam"), ("time zone", "Berlin"), ("time zone [Asia/Tokyo]", "")]
    answers = [*provider, ("Key", WRONG), *provider, ("Key", KEY), *agent, *you]
    code, told = typed([sys.executable, "-m", "carapax", "init"], environ, answers)
    assert code == 0, told
    assert "is not one of ours" in told
    assert ("litellm." in told, "tavily" in told) == (True, False)
    assert written(home)["agents"]["main"] == {"model": "lab", "title": "Ada", "manner": "brief"}
    assert written(home)["user"] == {"name": "Sam", "timezone": "Asia/Tokyo"}
    assert (KEY in told, "\x1b" in told) == (False, False)
    code, told = typed([sys.executable, "-m", "carapax", "init"], environ, [("emoji", "🦀")])
    assert (code, written(home)["agents"]["main"]["emoji"]) == (0, "🦀")
