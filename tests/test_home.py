"""Where a home keeps its parts."""

from pathlib import Path

from carapax.home import Home


def test_a_home_holds_its_configuration_and_its_data(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path, None, None, {})
    assert (home.config_file, home.database_file) == (tmp_path / "carapax.toml", tmp_path / "data" / "carapax.db")


def test_configuration_and_data_may_be_apart(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "unused", tmp_path / "etc", tmp_path / "var", {})
    assert home == Home(tmp_path / "etc", tmp_path / "var")


def test_the_environment_names_the_home_when_no_option_does(tmp_path: Path) -> None:
    environ = {"CARAPAX_HOME": str(tmp_path)}
    assert Home.resolve(None, None, None, environ).config_dir == tmp_path
    assert Home.resolve(tmp_path / "other", None, None, environ).config_dir == tmp_path / "other"


def test_without_any_name_the_home_is_in_the_users_folder() -> None:
    assert Home.resolve(None, None, None, {"CARAPAX_HOME": ""}).config_dir == Path.home() / ".carapax"
