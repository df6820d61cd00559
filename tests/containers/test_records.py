"""Whose a container is."""

from pathlib import Path

import pytest

from carapax.containers.records import Owner, home_id
from carapax.errors import Unavailable


def test_a_home_keeps_its_identity_when_it_moves(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    known = home_id(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert (home_id(tmp_path / "b"), home_id(tmp_path / "c") != known) == (known, True)
    assert (tmp_path / "b" / ".containers").stat().st_mode & 0o777 == 0o600


def test_an_identity_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / ".containers").write_text("../../etc")
    with pytest.raises(Unavailable, match="identity of a home"):
        home_id(tmp_path)


@pytest.mark.parametrize("agent", ["main", "Wörter und mehr", "a/b", "x" * 200])
def test_every_agent_has_a_volume_with_a_name_that_engines_take(tmp_path: Path, agent: str) -> None:
    name = Owner("0123456789ab", agent).volume
    assert name.isascii()
    assert len(name) < 70
    assert name.replace("-", "").replace(".", "").replace("_", "").isalnum()
