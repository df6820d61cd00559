"""`carapax models`, asked of a running gateway and without one."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from carapax.cli.background import Background
from carapax.cli.providers import Asked, Kept, open_providers
from carapax.cli.serving import Serving
from carapax.config import Home
from tests.cli.conftest import Run
from tests.fakes.vendor import Vendor

KEY = "sk-the-right-one-0123456789"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Background(Vendor(KEY)) as found:
        yield found


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def add(run: Run, vendor: Vendor, *more: str, key: str = KEY) -> str:
    done = run("models", "add", "work", "--base-url", vendor.url, "--key-stdin", *more, typed=key + "\n")
    assert key not in done.output
    return done.output


def goes_round(run: Run, vendor: Vendor) -> None:
    assert "is not one of ours" in add(run, vendor, key="sk-the-wrong-one-0123456789")
    assert "work" not in run("models", "providers").output
    assert add(run, vendor) == "work is there: the key is from the vault; its models are named work/MODEL\n"
    listed = run("models", "--provider", "work").stdout.splitlines()
    assert [line.split() for line in listed] == [
        ["model", "context", "in", "out", "images"],
        ["work/gpt-5", "?", "?", "?", "?"],
        ["work/gpt-5-mini", "?", "?", "?", "?"],
    ]
    assert run("models", "--provider", "work", "--search", "MINI").stdout.count("\n") == 2
    [row] = [line for line in run("models", "providers").stdout.splitlines() if line.startswith("work ")]
    assert "configured  the vault  its first" in row
    checked = run("models", "check", "work")
    assert (checked.exit_code, checked.output.startswith("ok    work  ")) == (0, True)
    vendor.keys.clear()
    refused = run("models", "check", "work")
    assert (refused.exit_code, "is not one of ours" in refused.output) == (1, True)
    assert "work answered with 401" in run("models", "--provider", "work").stderr
    assert run("models", "remove", "work").output == "work is gone\n"
    gone = run("models", "remove", "work")
    assert (gone.exit_code, "there is no provider 'work'" in gone.stderr) == (1, True)


def test_a_running_gateway_is_asked(run: Run, home: Home, gateway: Serving, vendor: Vendor) -> None:
    assert isinstance(open_providers(home), Asked)
    goes_round(run, vendor)
    assert "nothing is wrong" in run("models", "health").stderr


def test_without_a_gateway_the_home_is_looked_after_here(run: Run, home: Home, vendor: Vendor) -> None:
    assert isinstance(open_providers(home), Kept)
    before = home.config_file.read_bytes()
    goes_round(run, vendor)
    assert home.config_file.read_bytes() == before
    assert "no gateway runs" in run("models", "health").stderr


def test_what_is_known_of_a_model_is_shown(run: Run, vendor: Vendor) -> None:
    assert (
        "openai is there"
        in run(*("models", "add", "openai", "--base-url", vendor.url, "--key-stdin"), typed=KEY).output
    )
    [row] = [line.split() for line in run("models", "--search", "openai/gpt-5-mini").stdout.splitlines()[1:]]
    assert (row[0], row[4]) == ("openai/gpt-5-mini", "yes")
    assert int(row[1].replace(",", "")) > 100_000
    assert 0 < float(row[2]) < float(row[3])


def test_a_key_is_never_an_argument_and_not_asked_for_where_nobody_sits(run: Run) -> None:
    assert run("models", "add", "work", KEY).exit_code == 2
    assert "there is no key for openai" in run("models", "add", "openai").stderr
    assert "no key on standard input" in run("models", "add", "openai", "--key-stdin", typed="").stderr


def test_what_is_misspelt_is_told(run: Run) -> None:
    assert "did you mean groq" in run("models", "check", "qroq").stderr
    assert "did you mean 'openai'" in run("models", "add", "x", "--vendor", "opanai").stderr
    assert "is no vendor with a login" in run("models", "login", "openai").stderr


def test_commands_at_the_same_time_are_done_one_after_the_other(run: Run, home: Home, vendor: Vendor) -> None:
    command = [sys.executable, "-m", "carapax", "--home", str(home.config_dir), "models", "add", "--key-stdin"]
    names = [f"work{number}" for number in range(3)]
    started = [
        subprocess.Popen([*command, "--base-url", vendor.url, name], stdin=subprocess.PIPE, text=True) for name in names
    ]
    for process in started:
        process.communicate(KEY + "\n", timeout=60)
    assert [process.returncode for process in started] == [0, 0, 0]
    listed = run("models", "providers").stdout.splitlines()
    assert {line.split()[0] for line in listed if line.startswith("work")} == set(names)
