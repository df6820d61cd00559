"""`carapax config`."""

import tomllib

from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.configdoc import explain
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
        file.write('[providers.mine]\nbase_url = "http://host/v1?key=pw-2"\n[channels.mine]\ntoken = "pw-3"\n')
    shown = run("config", "show").output
    assert 'base_url = "http://host/v1?key=********"' in shown
    assert 'token = "********"' in shown


def test_a_key_is_set_shown_and_unset_in_the_file(run: Run, home: Home) -> None:
    before = explain(20_001)
    home.config_file.write_text(before)
    assert run("config", "set", "agents.main.effort", "high").exit_code == 0
    assert home.config_file.read_text() == before.replace('#effort = "off"', 'effort = "high"', 1)
    assert run("config", "get", "agents.main.effort").output == '"high"\n'
    assert run("config", "set", 'models."openai/gpt-5".input_usd', "1.5").exit_code == 0
    assert run("config", "get", 'models."openai/gpt-5"').output == "input_usd = 1.5\n"
    assert run("config", "unset", 'models."openai/gpt-5"').exit_code == 0
    assert run("config", "unset", "agents.main.effort").exit_code == 0
    assert home.config_file.read_text() == before


def test_a_value_that_is_no_toml_or_not_for_its_key_is_text(run: Run, home: Home) -> None:
    for key, value in (("agents.main.description", "true"), ("agents.main.persona", "You are kind.")):
        assert run("config", "set", key, value).exit_code == 0
    assert run("config", "set", "agents.main.tools", '["read_file"]').exit_code == 0
    main = tomllib.loads(home.config_file.read_text())["agents"]["main"]
    assert main == {"model": "demo/demo", "description": "true", "persona": "You are kind.", "tools": ["read_file"]}


def test_what_cannot_be_set_is_told_and_nothing_is_written(run: Run, home: Home) -> None:
    before = home.config_file.read_text()
    for arguments, told in (
        (("set", "agents.main.efort", "high"), "there is no key agents.main.efort; did you mean 'effort'?"),
        (("set", "agent.main", "x"), "did you mean 'agents'?"),
        (("set", "limits.sockets", "none"), "limits.sockets: expected `int`"),
        (("set", "providers.lab.key", "k"), "a secret does not belong into carapax.toml"),
        (("set", "a b", "k"), "'a b' is no key"),
        (("get", "agents.bob.effort"), "agents.bob.effort is not set; there are: main"),
        (("get", "budget.daily_usd"), "budget.daily_usd is not set"),
    ):
        done = run("config", *arguments)
        assert done.exit_code != 0
        assert told in done.stderr
    assert home.config_file.read_text() == before


def test_a_running_gateway_has_a_change_in_force_at_once(run: Run, home: Home, gateway: Serving) -> None:
    done = run("config", "set", "agents.main.description", "helps")
    assert done.output == f"{home.config_file}: changed, and in force\n"
    assert run("config", "get", "agents.main.description").output == '"helps"\n'
    done = run("config", "set", "gateway.port", "20123")
    changed, waiting = done.output.splitlines()[-2:]
    assert changed.endswith("carapax.toml: changed, and in force but for what waits for a restart")
    assert waiting == "only after a restart: gateway.port"
    done = run("config", "set", "agents.main.model", "nobody/x")
    assert done.exit_code != 0
    assert "agents.main.model: " in done.stderr
    assert gateway.running.url


def test_what_waits_for_a_restart_is_not_shown_as_in_force_but_named(run: Run, gateway: Serving) -> None:
    before = run("config", "show")
    assert run("config", "set", "gateway.port", "20123").exit_code == 0
    shown = run("config", "show")
    assert (shown.stdout, before.stderr) == (before.stdout, "")
    assert shown.stderr == "only after a restart: gateway.port\n"
    assert gateway.running.url
