"""`carapax config edit`, with an editor that is a script."""

import stat
from pathlib import Path

import pytest

from carapax.cli.editing import edited
from carapax.configdoc import explain
from carapax.errors import Conflict
from carapax.home import Home
from tests.cli.conftest import Run


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell script that is called with the file to edit as $1."""
    script = tmp_path / "editor"
    script.write_text("#!/bin/sh\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", str(script))
    return script


def test_what_was_edited_replaces_the_file_once_it_can_be_used(run: Run, home: Home, editor: Path) -> None:
    before = explain(20_001)
    home.config_file.write_text(before)
    editor.write_text(
        "#!/bin/sh\n"
        'if grep -q "stear" "$1"; then sed -i s/stear/collect/ "$1"; '
        """else sed -i 's/#queue = "steer"/queue = "stear"/' "$1"; fi\n"""
    )
    done = run("config", "edit", typed="y\n")
    assert done.exit_code == 0
    assert 'agents.main.queue: expected "steer" or "followup" or "collect"' in done.stderr
    assert home.config_file.read_text() == before.replace('#queue = "steer"', 'queue = "collect"', 1)
    assert [file.name for file in home.config_dir.iterdir() if file.name.startswith("carapax-")] == []


def test_what_is_given_up_changes_nothing(run: Run, home: Home, editor: Path) -> None:
    before = home.config_file.read_text()
    editor.write_text('#!/bin/sh\necho "[" > "$1"\n')
    done = run("config", "edit", typed="n\n")
    assert "not TOML" in done.stderr
    assert "nothing was changed" in done.output
    editor.write_text("#!/bin/sh\n")
    assert "nothing was changed" in run("config", "edit").output
    assert home.config_file.read_text() == before


def test_a_file_that_was_changed_meanwhile_is_not_replaced(run: Run, home: Home, editor: Path) -> None:
    editor.write_text(f'#!/bin/sh\necho "# mine" >> "$1"\necho "# theirs" >> {home.config_file}\n')
    with pytest.raises(Conflict, match="changed meanwhile") as caught:
        edited(home)
    assert home.config_file.read_text().endswith("# theirs\n")
    kept = Path(caught.value.hint.removeprefix("what you wrote is in "))
    assert kept.read_text().endswith("# mine\n")


def test_what_looks_like_a_secret_is_warned_of(run: Run, home: Home, editor: Path) -> None:
    key = "sk-ant-api03-" + "A1b2C3d4" * 6
    editor.write_text(f'#!/bin/sh\nprintf \'[user]\\nname = "{key}"\\n\' >> "$1"\n')
    done = run("config", "edit")
    assert ("user.name looks like a secret" in done.stderr, key in done.output) == (True, False)
