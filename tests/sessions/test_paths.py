from pathlib import Path

import pytest

from carapax.sandboxes.local import Config, Local
from carapax.sessions.paths import real_place
from tests.running import run


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("notes.md", "notes.md"),
        ("docs//./a.md", "docs/a.md"),
        ("new/folder/a.md", "new/folder/a.md"),
        ("link.md", ""),
        ("manual/a.md", ""),
        ("NOTES.md", ""),
        ("docs/../../a", ""),
        ("notes.md/a", "notes.md/a"),
        (None, ""),
    ],
)
def test_a_path_is_only_what_it_says_when_no_link_leads_there(tmp_path: Path, path: str | None, place: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("a")
    (tmp_path / "notes.md").write_text("b")
    (tmp_path / "link.md").symlink_to("notes.md")
    (tmp_path / "manual").symlink_to("docs")
    assert run(real_place(Local(Config(), tmp_path), {"path": path})) == place
