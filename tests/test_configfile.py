"""Reading `carapax.toml`, saying what is wrong with it, and writing it for a new home."""

import os
import socket
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.config import AgentConfig, Config, GatewayConfig, Home, ProviderConfig
from carapax.configfile import first_start, free_port, load, parse, warnings
from carapax.errors import ConfigError, StoreError


def home_at(path: Path) -> Home:
    return Home(path, path / "data")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.message.split("\n")


def test_without_a_file_the_defaults_are_in_force(tmp_path: Path) -> None:
    assert load(home_at(tmp_path)) == Config()


def test_what_the_file_says_is_in_force() -> None:
    text = '[gateway]\nport = 4000\n[agents.coder]\nmodel = "openai/gpt"\nmax_seconds = 5\n'
    assert parse(text) == Config(
        gateway=GatewayConfig(port=4000), agents={"coder": AgentConfig(model="openai/gpt", max_seconds=5)}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[gatway]\nport = 1\n", "carapax.toml:1: gatway: unknown key; did you mean 'gateway'?"),
        ("\n[gateway]\nprot = 1\n", "carapax.toml:3: gateway.prot: unknown key; did you mean 'port'?"),
        ("gateway.prot = 1\n", "carapax.toml:1: gateway.prot: unknown key; did you mean 'port'?"),
        ("[log]\nxyzzy = 1\n", "carapax.toml:2: log.xyzzy: unknown key; known here: format, level"),
        ('[gateway]\nport = "80"\n', "carapax.toml:2: gateway.port: expected `int`, got `str`"),
        ("[gateway]\nport = 70000\n", "carapax.toml:2: gateway.port: expected `int` <= 65535"),
        ("gateway = 3\n", "carapax.toml:1: gateway: expected a table"),
        ("agents = 3\n", "carapax.toml:1: agents: expected one table for each of the agents"),
        ("agents = {}\n", "carapax.toml:1: agents: at least one agent is needed: add [agents.main]"),
        ("[agents.main]\nmax_iterations = 0\n", "carapax.toml:2: agents.main.max_iterations: expected `int` >= 1"),
        ("[agents.main]\nmax_seconds = inf\n", "carapax.toml:2: agents.main.max_seconds: expected a finite number"),
        ("[agents.main]\nmax_seconds = nan\n", "carapax.toml:2: agents.main.max_seconds: expected a finite number"),
        ('[agents.main]\ntools = ["a", 1]\n', "carapax.toml:2: agents.main.tools: expected `str`, got `int` at [1]"),
        (
            '[agents.main]\nqueue = "stear"\n',
            'carapax.toml:2: agents.main.queue: expected "steer" or "followup" or "collect"',
        ),
        (
            '[agents."../up"]\n',
            "carapax.toml:1: agents.\"../up\": a name is 1 to 64 letters, digits, '-' or '_', "
            "beginning with a letter or digit",
        ),
        (
            '[agents.main]\nmodel = "a b"\n',
            'carapax.toml:2: agents.main.model: expected "provider/model", the name of a chain, or "auto"',
        ),
        (
            '[providers.x]\nbase_url = "ftp://x"\n',
            "carapax.toml:2: providers.x.base_url: expected an address that begins with http:// or https://",
        ),
        (
            "[agents.main]\n[agents.Main]\n",
            "carapax.toml:2: agents.Main: is the same folder as 'main' on some systems: give it another name",
        ),
        ("a = \n", "carapax.toml:1: not TOML: Invalid value"),
        ("[[agents]]\n", "carapax.toml:1: agents: expected one table for each of the agents"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems("[limits]\nsockets = 0\nbody_bytes = -1\n[log]\nlevel = 3\n[nothing]\n")) == 4


def test_a_key_pasted_instead_of_its_variable_is_not_repeated() -> None:
    (problem,) = problems('[providers.openai]\nkey_env = "sk-proj-123 456"\n')
    assert "environment variable" in problem
    assert "123" not in problem


@pytest.mark.parametrize(
    ("table", "key"),
    [("update", "url"), ("facts", "url"), ("providers.lab", "base_url"), ("telemetry", "otlp_endpoint")],
)
@pytest.mark.parametrize("address", ["https://me:hunter2@host/", "HTTPS://hunter2@host", " http://a@hunter2:b@host?x"])
def test_an_address_with_a_password_is_refused_and_not_repeated(table: str, key: str, address: str) -> None:
    [problem] = problems(f'[{table}]\n{key} = "{address}"\n')
    assert problem.startswith(f"carapax.toml:2: {table}.{key}: has a user or a password before the host")
    assert "hunter2" not in problem


def test_an_address_may_have_an_at_behind_its_host() -> None:
    assert parse('[update]\nurl = "https://host/a@b?c@d#e@f"\n').update.url == "https://host/a@b?c@d#e@f"


@given(st.text())
def test_any_text_is_either_a_configuration_or_a_clear_error(text: str) -> None:
    try:
        assert isinstance(parse(text), Config)
    except ConfigError as error:
        assert error.message.startswith("carapax.toml")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a = '\xc3'"])
def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    home_at(tmp_path).config_file.write_bytes(data)
    with pytest.raises(ConfigError, match=r"carapax\.toml:1: not UTF-8"):
        load(home_at(tmp_path))


def test_a_folder_in_place_of_the_file_is_refused_by_name(tmp_path: Path) -> None:
    home_at(tmp_path).config_file.mkdir()
    with pytest.raises(ConfigError, match=r"carapax\.toml cannot be read"):
        load(home_at(tmp_path))


def test_what_is_no_file_is_refused_by_name_and_not_waited_for(tmp_path: Path) -> None:
    file = home_at(tmp_path).config_file
    os.mkfifo(file)
    with pytest.raises(ConfigError, match=r"carapax\.toml cannot be read: it is no file"):
        load(home_at(tmp_path))
    file.unlink()
    file.symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"carapax\.toml cannot be read: it is no file"):
        load(home_at(tmp_path))


@pytest.mark.parametrize("text", [f"a = {'[' * 5000}{']' * 5000}", f"a = {'9' * 5000}", f"{'a.' * 5000}b = 1"])
def test_what_no_reader_of_toml_takes_is_a_clear_error(text: str) -> None:
    assert len(problems(text)) == 1


def test_ten_thousand_wrong_keys_are_told_in_a_moment() -> None:
    text = "".join(f"key_{number} = 1\n" for number in range(10_000))
    assert [line.split(": ")[0] for line in problems(text)][-1] == "carapax.toml:10000"


def test_the_first_start_writes_a_private_file_with_a_port_and_keeps_it(tmp_path: Path) -> None:
    home = home_at(tmp_path / "new" / "home")
    assert first_start(home)
    config = load(home)
    assert config == Config(gateway=GatewayConfig(port=config.gateway.port))
    assert config.gateway.port > 0
    assert stat.S_IMODE(home.config_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.config_dir.stat().st_mode) == 0o700
    assert not first_start(home)
    assert load(home) == config
    assert [entry.name for entry in home.config_dir.iterdir() if entry.is_file()] == ["carapax.toml"]


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written: Not a directory.*--home"):
        first_start(home_at(tmp_path / "file" / "home"))


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_a_safe_configuration_has_no_warnings() -> None:
    assert warnings(Config()) == []


def test_what_is_not_safe_is_warned_about() -> None:
    config = Config(
        gateway=GatewayConfig(host="0.0.0.0", allowed_origins=("*",)),
        agents={"main": AgentConfig(sandbox="local", persona="my key is sk-abcdefghijklmnopqrst")},
        providers={
            "far": ProviderConfig(base_url="http://example.org/v1", key_env="KEY"),
            "near": ProviderConfig(base_url="http://127.0.0.1:11434", key_env="KEY"),
        },
        sandboxes={"bubblewrap": {"seccomp": False}},
    )
    begins = [
        "gateway.host = '0.0.0.0' is reached",
        'gateway.allowed_origins has "*"',
        'agents.main.sandbox = "local"',
        "sandboxes.bubblewrap.seccomp = false",
        "providers.far.base_url is http",
        "agents.main.persona looks like a secret",
    ]
    assert [
        begin for begin, warning in zip(begins, warnings(config), strict=True) if warning.startswith(begin)
    ] == begins


def test_the_written_file_is_toml_that_says_nothing_but_the_port(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    first_start(home)
    table = tomllib.loads(home.config_file.read_text())
    assert {name: content for name, content in table.items() if content} == {
        "gateway": {"port": load(home).gateway.port},
        "agents": {"main": {"egress": {}}},
    }


@pytest.mark.parametrize(
    ("name", "told"), [("Ann\\n", "expected one line of text"), ("x" * 81, "expected at most 80 characters")]
)
def test_what_people_are_called_is_a_short_line(name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"user.name: {told}"):
        parse(f'[user]\nname = "{name}"\n')
