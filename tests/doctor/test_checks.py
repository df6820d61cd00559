"""What the doctor finds."""

import os
import shutil
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from keyring.errors import KeyringLocked

from carapax.clock import SystemClock
from carapax.config import Home
from carapax.configfile import first_start, load
from carapax.doctor.finding import Finding
from carapax.doctor.run import Doctor
from carapax.http import Http
from carapax.redaction import Secret
from carapax.vault import open_vault
from tests.fakes.chat_platform import Platform, serving
from tests.fakes.memory_keyring import memory_keyring
from tests.running import run

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)


def findings(home: Home, environ: dict[str, str] | None = None, *checks: str) -> list[Finding]:
    async def collect() -> list[Finding]:
        doctor = Doctor(home, environ or {}, open_vault(home, environ or {}))
        return [finding async for finding in doctor.examine(checks)]

    return run(collect())


def of(check: str, found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.state, finding.message) for finding in found if finding.check == check]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home", tmp_path / "home" / "data")
    first_start(place)
    return place


@needs_bubblewrap
def test_a_new_home_has_nothing_that_fails(tmp_path: Path) -> None:
    found = findings(Home(tmp_path / "new", tmp_path / "new" / "data"))
    assert [finding for finding in found if finding.state == "fail"] == []
    assert list(dict.fromkeys(finding.check for finding in found)) == [
        "configuration",
        "home",
        "disk",
        "database",
        "port",
        "tls",
        "sandbox",
        "vault",
        "model",
        "search",
        "telemetry",
        "clock",
        "remains",
    ]
    assert not (tmp_path / "new").exists()


def test_whatever_is_not_ok_has_a_remedy(home: Home) -> None:
    home.config_dir.chmod(0o755)
    home.database_file.write_bytes(b"garbage" * 1000)
    home.config_file.write_text('[agents.main]\nsandbox = "local"\nmodel = "nobody/x"\n')
    found = findings(home)
    assert {finding.check for finding in found if finding.state != "ok"} >= {
        "configuration",
        "home",
        "database",
        "model",
    }
    assert [finding for finding in found if finding.state != "ok" and not finding.remedy] == []


def test_a_configuration_with_a_typo_fails_line_by_line(home: Home) -> None:
    home.config_file.write_text("[gatway]\n[log]\nlevel = 3\n")
    assert of("configuration", findings(home)) == [
        ("fail", f"{home.config_file}:1: gatway: unknown key; did you mean 'gateway'?"),
        ("fail", f'{home.config_file}:3: log.level: expected "debug" or "info" or "warning" or "error"'),
    ]


def test_a_home_that_others_can_read_is_warned_about(home: Home) -> None:
    home.config_dir.chmod(0o755)
    home.config_file.chmod(0o644)
    states = of("home", findings(home))
    assert ("warn", f"other users can get at {home.config_dir}") in states
    assert ("warn", f"other users can get at {home.config_file}") in states


def test_a_file_in_place_of_the_home_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert of("home", findings(Home(tmp_path / "file", tmp_path / "file")))[0][0] == "fail"


def test_a_damaged_database_fails_by_name(home: Home) -> None:
    home.database_file.write_bytes(b"garbage" * 1000)
    ((state, message),) = of("database", findings(home))
    assert state == "fail"
    assert str(home.database_file) in message


def test_a_port_that_is_taken_fails_unless_it_is_by_the_gateway_of_this_home(home: Home) -> None:
    port = load(home).gateway.port
    assert of("port", findings(home)) == [("ok", f"127.0.0.1:{port} is free")]
    with socket.create_server(("127.0.0.1", port)):
        assert of("port", findings(home))[0][0] == "fail"
    home.run_file.write_text(f'{{"url": "http://127.0.0.1:{port}", "pid": 1, "token": "x"}}')
    with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        assert of("port", findings(home)) == [("ok", f"the gateway of this home answers at http://127.0.0.1:{port}")]
        server.shutdown()
        thread.join()


def test_a_key_is_named_by_its_variable_and_never_shown(home: Home) -> None:
    found = findings(home, {"OPENAI_API_KEY": "sk-very-secret-value"})
    assert of("model", found)[0][0] == "ok"
    assert "OPENAI_API_KEY" in of("model", found)[0][1]
    assert "very-secret" not in repr(found)


def test_a_model_whose_key_is_missing_fails_with_the_name_of_the_variable(home: Home) -> None:
    home.config_file.write_text('[agents.main]\nmodel = "openai/gpt"\n')
    (finding,) = [finding for finding in findings(home) if finding.check == "model"]
    assert finding.state == "fail"
    assert "OPENAI_API_KEY" in finding.remedy


def test_a_clock_that_went_back_is_warned_about(home: Home) -> None:
    os.utime(home.config_file, (4e9, 4e9))
    assert of("clock", findings(home))[0][0] == "warn"


def test_it_is_told_where_each_key_is_and_never_the_key(home: Home) -> None:
    home.config_file.write_text(
        '[agents.main]\nmodel = "demo/demo"\n'
        '[providers.written]\nvendor = "openai"\nkey = "sk-written-0123456789"\n'
        '[providers.missing]\nbase_url = "http://127.0.0.1:1"\nkey_env = "NOT_SET"\n'
    )
    run(open_vault(home).set("provider:groq", Secret("gsk-kept-0123456789")))
    found = findings(home, {"MISTRAL_API_KEY": "from-the-environment"})
    assert sorted(of("model", found)) == [
        ("ok", "demo/demo can be asked"),
        ("ok", "groq: the key is from the vault"),
        ("ok", "mistral: the key is from $MISTRAL_API_KEY"),
        ("warn", "missing: there is no key"),
        ("warn", "written: the key stands readable in carapax.toml"),
    ]
    assert of("vault", found)[0][0] == "ok"
    everything = str(found)
    assert [key for key in ("sk-written", "gsk-kept", "from-the-environment") if key in everything] == []


def test_it_is_told_who_searches_the_web_and_with_which_key(home: Home) -> None:
    none = "agents have no web_search; set TAVILY_API_KEY or BRAVE_API_KEY or SEARXNG_URL to give it to them"
    assert of("search", findings(home)) == [("ok", none)]
    found = findings(home, {"BRAVE_API_KEY": "BSA-very-secret-value"})
    assert of("search", found) == [("ok", "web_search asks brave: its key is from $BRAVE_API_KEY")]
    assert "very-secret" not in repr(found)
    home.config_file.write_text('[providers.mine]\nvendor = "searxng"\nbase_url = "http://127.0.0.1:1"\n')
    found = findings(home, {"BRAVE_API_KEY": "k"})
    assert of("search", found) == [("ok", "web_search asks mine: [providers.mine] says where it is")]


def test_it_is_told_how_the_vault_is_protected_and_who_can_get_at_it(home: Home, tmp_path: Path) -> None:
    run(open_vault(home).set("a", Secret("very-secret")))
    assert of("vault", findings(home)) == [
        ("ok", f"1 in {home.vault}, sealed with the key file there, which only this user may read")
    ]
    run(open_vault(home).protect(Secret("correct horse battery")))
    locked = f"{home.vault / 'vault.json'} is locked with a passphrase, so it was not looked into"
    assert of("vault", findings(home)) == [("warn", locked)]
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery")
    file.chmod(0o644)
    (home.vault / "vault.json").chmod(0o640)
    found = findings(home, {"CARAPAX_VAULT_PASSPHRASE_FILE": str(file)})
    assert of("vault", found) == [
        ("ok", f"1 in {home.vault}, its key is locked with a passphrase, which was found"),
        ("warn", f"other users can get at {home.vault / 'vault.json'}"),
        ("warn", f"other users can get at {file}"),
    ]
    assert [word for word in ("correct horse", "very-secret") if word in repr(found)] == []


def test_it_is_told_that_the_key_of_the_vault_is_in_the_keyring(home: Home) -> None:
    with memory_keyring() as keyring:
        run(open_vault(home).set("a", Secret("very-secret")))
        run(open_vault(home).protect("keyring"))
        assert of("vault", findings(home)) == [
            ("ok", f"1 in {home.vault}, its key is in the keyring of the system, which gave it")
        ]
        keyring.failure = KeyringLocked()
        assert of("vault", findings(home)) == [
            ("warn", "the keyring of the system is locked, so it was not looked into")
        ]
        keyring.failure = None
        keyring.kept.clear()
        [(state, message)] = of("vault", findings(home))
        assert (state, "has no entry" in message) == ("fail", True)


def test_keys_in_the_clear_are_named_and_not_shown(home: Home) -> None:
    work = home.workspaces / "main"
    work.mkdir(parents=True)
    (home.config_dir / ".env").write_text("# x\nexport OPENAI_API_KEY=sk-very\nPORT=1\nMY_TOKEN=very\nGROQ_API_KEY=\n")
    (work / ".env").write_text("DB_PASSWORD=very")
    (home.data_dir / ".env").write_text("DEBUG=1")
    (home.workspaces / "other").mkdir()
    os.mkfifo(home.workspaces / "other" / ".env")
    found = findings(home)
    assert of("vault", found)[1:] == [
        ("warn", f"{home.config_dir / '.env'} holds keys in the clear: OPENAI_API_KEY, MY_TOKEN"),
        ("warn", f"{work / '.env'} holds keys in the clear: DB_PASSWORD"),
    ]
    assert "very" not in repr(found)
    assert f"carapax secrets import {work / '.env'} --apply" in repr(found)


def test_a_secret_for_agents_that_nobody_kept_or_nobody_has_is_told(home: Home) -> None:
    tables = '[credentials.a]\nagents = ["*"]\n[credentials.b]\nsecret = "kept/b"\nagents = ["nobody"]\n'
    home.config_file.write_text(home.config_file.read_text() + tables)
    found = findings(home)
    assert of("vault", found)[1:] == [
        ("warn", "secret:a is not in the vault"),
        ("warn", "secret:b is not in the vault"),
        ("warn", "no agent has secret:b"),
    ]
    assert "carapax secrets set kept/b" in repr(found)
    run(open_vault(home).set("a", Secret("a value of it")))
    assert of("vault", findings(home))[1] == ("warn", "secret:b is not in the vault")


def test_a_vault_that_cannot_be_read_is_told(home: Home) -> None:
    run(open_vault(home).set("provider:groq", Secret("k")))
    (home.vault / "key").chmod(0o644)
    [(state, message), open_key] = of("vault", findings(home))
    assert (state, "others can read the key" in message) == ("fail", True)
    assert open_key == ("warn", f"other users can get at {home.vault / 'key'}")


def test_the_room_on_the_disk_and_what_the_home_takes_of_it_are_told(home: Home) -> None:
    (home.data_dir / "much").write_bytes(b"x" * 3_000_000)
    [(state, message)] = of("disk", findings(home))
    assert (state, "and takes 3.0 MB" in message) == ("ok", True)


def test_nothing_is_said_of_containers_before_there_were_any(home: Home) -> None:
    assert of("containers", findings(home)) == []
    home.workspaces.mkdir()
    (home.workspaces / ".containers").write_text("0123456789ab")
    home.config_file.write_text('[sandboxes.docker]\nsocket = "/nowhere"\n')
    [finding] = findings(home, {}, "containers")
    assert (finding.state, bool(finding.remedy)) == ("fail", True)


def test_the_clock_is_compared_with_that_of_a_server_of_models(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"Date": "Sat, 21 Nov 2026 12:00:00 GMT"}
    at = 1_795_262_400.0

    @asynccontextmanager
    async def answering(self: Http, method: str, url: str) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(headers=told)

    home.config_file.write_text('[agents.main]\nmodel = "openai/gpt"\n')
    os.utime(home.config_file, (at - 100, at - 100))
    monkeypatch.setattr(Http, "request", answering)
    for now, expected in (
        (at + 1, ("ok", "the clock agrees with that of api.openai.com")),
        (at + 600, ("warn", "the clock is 600 s ahead of that of api.openai.com")),
    ):
        monkeypatch.setattr(SystemClock, "now", lambda self, now=now: now)
        assert of("clock", findings(home, {}, "clock")) == [expected]
    told.clear()
    assert of("clock", findings(home, {}, "clock")) == [("ok", "the clock can be right; it was compared with no other")]


def test_the_platforms_of_channels_are_asked_whether_they_know_us(home: Home) -> None:
    async def scene() -> None:
        async with serving(Platform()) as url:
            home.config_file.write_text(f'[channels."tests.fakes.chat_platform"]\nurl = "{url}"\n')
            doctor = Doctor(home, {}, open_vault(home, {}))
            [known] = [finding async for finding in doctor.examine(["channels"])]
            assert (known.state, known.message) == ("ok", "tests.fakes.chat_platform: known as the gateway")
        [away] = [finding async for finding in doctor.examine(["channels"])]
        assert (away.state, bool(away.remedy)) == ("fail", True)

    run(scene())
