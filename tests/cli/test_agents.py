"""`carapax agents`."""

from pathlib import Path

import pytest

from carapax.cli.background import Background
from carapax.cli.serving import serve
from carapax.config import Home
from carapax.configfile import load
from tests.cli.conftest import CONFIG, Run


def test_agents_are_listed_as_people_call_them(home: Home, run: Run) -> None:
    home.config_file.write_text(f'{CONFIG}emoji = "🦀"\ndescription = "helps"\n[agents.poet]\ntitle = "Sappho"\n')
    run("agents", "persona", "main", "--stdin", typed="# Ada")
    assert run("agents").output == "main  🦀 Ada  demo/demo  helps\npoet  Sappho  auto\n"


@pytest.mark.parametrize("running", [True, False])
def test_a_persona_is_written_shown_and_removed(home: Home, run: Run, running: bool) -> None:
    home.run_file.parent.mkdir(parents=True)

    def go() -> None:
        assert "nobody has said yet who main is" in run("agents", "persona").stderr
        assert "is written" in run("agents", "persona", "main", "--stdin", typed="Be kind.\x1b[0m").output
        assert run("agents", "persona").output == "Be kind.[0m\n"
        assert "is gone" in run("agents", "persona", "--remove").output
        assert run("agents", "persona").exit_code == 0
        assert "there is no agent 'nobody'" in run("agents", "persona", "nobody").stderr

    if running:
        with Background(serve(home, load(home))):
            go()
        assert "agent.set_persona" in run("audit").output
    else:
        go()


def test_a_persona_is_edited(home: Home, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "# Ada" > "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    run("agents", "persona", "--edit")
    assert run("agents", "persona").output == "# Ada\n"
    monkeypatch.setenv("VISUAL", "true")
    assert "nothing was changed" in run("agents", "persona", "--edit").stderr
