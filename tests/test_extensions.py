import sys
from pathlib import Path

import pytest

from carapax.configcheck import look
from carapax.configfile import parse
from carapax.errors import ConfigError
from carapax.extensions import configure, export, find, names


def test_our_own_are_found_by_name() -> None:
    files = {"read_file", "write_file", "edit_file", "list_files", "search_files"}
    assert {"shell", "web_fetch", "web_search"} | files == set(names("tool"))
    assert export("tool", "shell", find("tool", "shell")).name == "shell"


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no sandbox 'bublewrap' .*known: absent, bubblewrap, docker, local"):
        find("sandbox", "bublewrap")
    with pytest.raises(ConfigError, match="there is no tool 'nobody"):
        find("tool", "nobody.weather")


def test_settings_that_do_not_fit_are_named_with_their_path() -> None:
    module = find("tool", "shell")
    with pytest.raises(ConfigError, match=r"\[tools.shell\]: .*timeout"):
        configure("tool", "shell", module, {"timeout_s": "soon"})


def test_any_module_may_be_an_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "ownmade.py").write_text("EXTENSION = 'mine'\n")
    (tmp_path / "pack" / "needy.py").write_text("import nowhere_to_be_found\n")
    (tmp_path / "pack" / "hollow.py").write_text("")
    assert export("tool", "pack.ownmade", find("tool", "pack.ownmade")) == "mine"
    with pytest.raises(ConfigError, match="needs the package 'nowhere_to_be_found'"):
        find("tool", "pack.needy")
    with pytest.raises(ConfigError, match="has no EXTENSION"):
        export("tool", "pack.hollow", find("tool", "pack.hollow"))
    for name in [name for name in sys.modules if name.startswith("pack")]:
        del sys.modules[name]


def test_the_documented_tool_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent / "docs" / "extending.md").read_text()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mycompany").mkdir()
    (tmp_path / "mycompany" / "weather.py").write_text(page.split("```python\n")[1].split("```")[0])
    settings = page.split("```toml\n")[1].split("```")[0]
    config = parse(settings, look=look)
    [name] = config.extra_tools
    module = find("tool", name)
    assert export("tool", name, module).parameters["required"] == ["city"]
    assert configure("tool", name, module, config.tools[name]).days == 3
    for imported in ("mycompany", "mycompany.weather"):
        sys.modules.pop(imported, None)
