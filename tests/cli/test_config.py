"""`carapax config`."""

import tomllib

from carapax.config import Home
from carapax.configfile import parse
from tests.cli.conftest import Run


def test_a_good_configuration_can_be_used(run: Run, home: Home) -> None:
    done = run("config", "check")
    assert (done.exit_code, done.output) == (0, f"{home.config_file}: can be used\n")


def test_what_is_not_safe_is_warned_about(run: Run, home: Home) -> None:
    home.config_file.write_text('[gateway]\nhost = "0.0.0.0"\n')
    done = run("config", "check")
    assert done.exit_code == 0
    assert done.output.startswith("warning: gateway.host = '0.0.0.0' is reached from other machines")


def test_a_sandbox_that_nobody_has_is_refused(run: Run, home: Home) -> None:
    home.config_file.write_text('[agents.main]\nsandbox = "bubblewarp"\n')
    done = run("config", "check")
    assert done.exit_code == 2
    assert "there is no sandbox 'bubblewarp'" in done.stderr


def test_what_is_shown_is_a_configuration_that_means_the_same(run: Run, home: Home) -> None:
    shown = run("config", "show").output
    assert parse(shown) == parse(home.config_file.read_text())
    assert tomllib.loads(shown)["agents"]["main"]["max_iterations"] == 25


def test_a_key_in_the_file_is_masked_wherever_it_could_show(run: Run, home: Home) -> None:
    with home.config_file.open("a") as file:
        file.write('[providers.mine]\nvendor = "openai"\nkey = "sk-very-secret-0123456789"\n')
    assert 'key = "********"' in run("config", "show").output
    checked = run("config", "check").output
    assert "providers.mine.key stands readable here: `carapax models add mine`" in checked
    with home.config_file.open("a") as file:
        file.write("[providers.other]\nbase_url = 5\nkey = 12345678\n")
    refused = run("config", "check").output
    assert "providers.other.key: expected `str`" in refused
    assert [
        word for word in ("very-secret", "12345678") if word in run("config", "show").output + checked + refused
    ] == []


def test_what_others_than_providers_call_a_secret_is_masked_too(run: Run, home: Home) -> None:
    with home.config_file.open("a") as file:
        file.write('[providers.mine]\nbase_url = "http://me:pw-1@host/v1?key=pw-2"\n[channels.mine]\ntoken = "pw-3"\n')
    shown = run("config", "show").output
    assert 'base_url = "http://********@host/v1?key=********"' in shown
    assert 'token = "********"' in shown
