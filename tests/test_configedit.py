"""carapax.toml changed for a person."""

import tomllib
from pathlib import Path

import pytest

from carapax.config import Home
from carapax.configdoc import explain
from carapax.configedit import change, with_changes
from carapax.configfile import load
from carapax.errors import ConfigError, StoreError
from tests.fakes.cut import Cut, cut_after

PATH = ("providers", "lab")
BESIDE = """\
# mine
agents = { main = { model = "auto" } }   # inline


[providers.other]   # not this one
base_url = "http://x"
# about the next
[ providers . "lab" ] # this one
base_url = '''
[providers.other]
http://lab'''
key_env = "A" # named
# inside

default_model = "m"
# after it

[log]
level = "debug"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path, tmp_path / "data")
    place.config_file.write_text(explain(20_001))
    return place


def test_a_table_comes_at_the_end_and_goes_again_and_nothing_else_changes(home: Home) -> None:
    before = home.config_file.read_bytes()
    home.config_file.chmod(0o640)
    change(home, {PATH: {"base_url": "http://lab:9000"}})
    assert home.config_file.read_bytes() == before + b'\n[providers.lab]\nbase_url = "http://lab:9000"\n'
    assert load(home).providers["lab"].base_url == "http://lab:9000"
    assert home.config_file.stat().st_mode & 0o777 == 0o640
    assert change(home, {PATH: None})
    assert home.config_file.read_bytes() == before
    assert not change(home, {PATH: None})


def test_a_home_without_a_file_gets_a_private_one(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "data")
    change(home, {PATH: {"vendor": "openai"}})
    assert home.config_file.read_text() == '[providers.lab]\nvendor = "openai"\n'
    assert home.config_file.stat().st_mode & 0o777 == 0o600


def test_a_table_that_a_person_wrote_is_cut_out_with_its_lines_and_no_others() -> None:
    kept = BESIDE.split("\n")
    assert with_changes(BESIDE, {PATH: None}).split("\n") == [*kept[:7], *kept[15:]]


def test_line_ends_and_a_byte_order_mark_stay_as_they_are(home: Home) -> None:
    text = "\ufeff[log]\r\nlevel = 'debug'\r\n"
    home.config_file.write_bytes(text.encode())
    change(home, {PATH: {"base_url": "http://x"}})
    assert home.config_file.read_bytes() == (text + '\r\n[providers.lab]\r\nbase_url = "http://x"\r\n').encode()
    change(home, {PATH: None})
    assert home.config_file.read_bytes() == text.encode()


def test_the_file_behind_a_link_is_changed_and_the_link_stays(home: Home, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    home.config_file.rename(tmp_path / "dotfiles" / "c.toml")
    home.config_file.symlink_to(tmp_path / "dotfiles" / "c.toml")
    change(home, {PATH: {"base_url": "http://x"}})
    assert home.config_file.is_symlink()
    assert "[providers.lab]" in (tmp_path / "dotfiles" / "c.toml").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "providers = { lab = { base_url = 'http://x' } }",
        "providers.lab.base_url = 'http://x'",
        "[providers]\nlab = { base_url = 'http://x' }",
        "[providers]\nlab.base_url = 'http://x'",
        "[providers.lab]\nbase_url = 'http://x'\n[providers.other]\nvendor = 'x'\n[providers.lab.accent]\na = 1",
    ],
)
def test_a_table_may_be_written_in_any_way(text: str) -> None:
    before = tomllib.loads(text)["providers"]
    changed = with_changes(text, {(*PATH, "key_env"): "KEY"})
    before["lab"]["key_env"] = "KEY"
    assert tomllib.loads(changed) == {"providers": before}
    del before["lab"]
    assert tomllib.loads(with_changes(changed, {PATH: None})).get("providers", {}) == before


def test_a_file_that_was_broken_meanwhile_is_not_touched(home: Home) -> None:
    home.config_file.write_text("[providers\n")
    with pytest.raises(ConfigError, match=r"carapax\.toml:1"):
        change(home, {PATH: {"base_url": "http://x"}})
    assert home.config_file.read_text() == "[providers\n"
    home.config_file.write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        change(home, {PATH: None})


def test_what_could_not_be_used_afterwards_is_not_written(home: Home) -> None:
    before = home.config_file.read_bytes()
    with pytest.raises(ConfigError, match="expected an address"):
        change(home, {PATH: {"base_url": "nowhere"}})
    assert home.config_file.read_bytes() == before


def test_a_read_only_file_is_told_and_stays(home: Home) -> None:
    home.config_file.chmod(0o400)
    with pytest.raises(StoreError, match="is read-only"):
        change(home, {PATH: {"base_url": "http://x"}})
    with pytest.raises(StoreError, match="cannot be written"):
        change(Home(home.config_file, home.data_dir), {PATH: {"base_url": "http://x"}})


def test_whenever_the_machine_stops_the_old_or_the_new_file_is_there(home: Home) -> None:
    old = home.config_file.read_bytes()
    for step in range(1, 50):
        home.config_file.write_bytes(old)
        with cut_after(step) as steps, pytest.raises(Cut):
            change(home, {PATH: {"base_url": "http://x"}})
            raise Cut
        found = load(home).providers
        assert found in ({}, {"lab": found.get("lab")})
        if steps.taken < step:
            break
    assert steps.taken > 3
