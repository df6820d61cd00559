"""What the doctor repairs."""

import os
import socket
from pathlib import Path

import pytest

from carapax.config import Home
from carapax.configfile import first_start, load
from carapax.doctor.finding import Finding
from carapax.doctor.run import Doctor
from carapax.errors import Forbidden, NotFound, StoreLocked, Unavailable
from carapax.homelock import lock_home
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.vault import open_vault
from tests.running import run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home", tmp_path / "home" / "data")
    first_start(place)
    return place


def doctor_of(home: Home) -> Doctor:
    return Doctor(home, {}, open_vault(home, {}))


def offered(home: Home, check: str) -> list[str]:
    async def found() -> list[Finding]:
        return [finding async for finding in doctor_of(home).examine([check])]

    return [finding.fix for finding in run(found()) if finding.fix]


def test_what_others_can_get_at_is_made_private_and_keeps_the_rights_of_its_owner(home: Home) -> None:
    home.data_dir.chmod(0o755)
    home.config_file.chmod(0o644)
    fixes = offered(home, "home")
    assert fixes == [f"home:private:{home.data_dir}", f"home:private:{home.config_file}"]
    told = [run(doctor_of(home).fix(fix)) for fix in fixes]
    assert told == [f"only you can get at {path} now" for path in (home.data_dir, home.config_file)]
    assert [path.stat().st_mode & 0o777 for path in (home.data_dir, home.config_file)] == [0o700, 0o600]
    assert offered(home, "home") == []


@pytest.mark.parametrize("fix", ["home:private:/etc", "home:clean:", "nothing:private:/etc", "home", "", ":::"])
def test_only_what_a_check_offers_is_repaired(home: Home, fix: str) -> None:
    with pytest.raises(NotFound, match="nothing asks for the repair"):
        run(doctor_of(home).fix(fix))


def test_files_that_were_never_finished_are_removed_when_nobody_can_be_writing_them(home: Home) -> None:
    old, new = home.config_dir / ".carapax.toml.new", home.data_dir / ".models.json.new"
    other = home.config_dir / ".vimrc.new"
    for file in (old, new, other):
        file.write_text("half")
    for file in (old, other):
        os.utime(file, (1e9, 1e9))
    (fix,) = offered(home, "remains")
    assert fix == f"remains:draft:{old}"
    run(doctor_of(home).fix(fix))
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_the_run_file_of_a_gateway_that_is_gone_is_removed_and_that_of_one_that_holds_the_home_stays(
    home: Home,
) -> None:
    home.run_file.write_text('{"url": "http://127.0.0.1:1", "pid": 7, "token": "x"}')
    (fix,) = offered(home, "remains")
    with lock_home(home), pytest.raises(StoreLocked):
        run(doctor_of(home).fix(fix))
    assert home.run_file.exists()
    assert run(doctor_of(home).fix(fix)) == f"{home.run_file} is gone"
    assert not home.run_file.exists()


def test_the_log_that_a_killed_gateway_left_is_moved_into_its_database(home: Home) -> None:
    async def made() -> None:
        database = await open_database(home.database_file)
        await migrate(database)
        await database.close()

    run(made())
    log = home.data_dir / "carapax.db-wal"
    with log.open("wb") as stream:
        stream.truncate(17 << 20)
    (fix,) = offered(home, "database")
    assert "no longer 17.8 MB" in run(doctor_of(home).fix(fix))
    assert not log.exists() or log.stat().st_size == 0
    assert offered(home, "database") == []


def test_a_repair_that_cannot_be_made_says_why(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(descriptor: int, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    home.config_file.chmod(0o644)
    monkeypatch.setattr(os, "fchmod", refused)
    with pytest.raises(Unavailable, match="Operation not permitted"):
        run(doctor_of(home).fix(f"home:private:{home.config_file}"))


def test_nothing_is_repaired_in_the_home_of_another_user(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.config_file.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: home.config_dir.stat().st_uid + 1)
    with pytest.raises(Forbidden, match="is of another user"):
        run(doctor_of(home).fix(f"home:private:{home.config_file}"))
    assert home.config_file.stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_the_rights_on_what_is_not_ours_stay_wherever_a_link_leads(home: Home, tmp_path: Path) -> None:
    (file := tmp_path / "of another").write_text(home.config_file.read_text())
    file.chmod(0o644)
    os.chown(file, 4711, 4711)
    home.config_file.unlink()
    home.config_file.symlink_to(file)
    with pytest.raises(Forbidden, match=r"is of another user \(4711\)"):
        run(doctor_of(home).fix(f"home:private:{home.config_file}"))
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_gateway_whose_port_is_taken_is_given_another_one(home: Home) -> None:
    taken = load(home).gateway.port
    with socket.create_server(("127.0.0.1", taken)):
        assert offered(home, "port") == ["port:move:"]
        with lock_home(home), pytest.raises(StoreLocked):  # a gateway that is about to say that it is the one
            run(doctor_of(home).fix("port:move:"))
        told = run(doctor_of(home).fix("port:move:"))
    port = load(home).gateway.port
    assert (port != taken, told) == (True, f"the gateway listens on port {port} when it is started next")
    assert offered(home, "port") == []
