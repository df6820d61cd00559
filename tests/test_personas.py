import os
import stat
from pathlib import Path

import pytest

from carapax.errors import Conflict, InvalidRequest, StoreError
from carapax.personas import MOST_CHARACTERS, Persona, Personas


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    personas = Personas(tmp_path / "agents")
    assert personas.read("main") is None
    written = personas.write("main", "# Ada\n\n- Be brief.\n")
    assert written == personas.read("main") == Persona("# Ada\n\n- Be brief.")
    assert (written.title, Persona("You are Ada").title, Persona("").title) == ("Ada", "", "")


def test_it_is_private_and_read_again_when_it_was_edited(tmp_path: Path) -> None:
    personas = Personas(tmp_path / "agents")
    personas.write("main", "one")
    file = personas.place("main")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (file, file.parent)] == [0o600, 0o700]
    assert personas.read("main") == Persona("one")
    file.write_text("two, by hand")
    assert personas.read("main") == Persona("two, by hand")
    personas.remove("main")
    assert personas.read("main") is None


def test_an_emptied_file_is_a_persona_that_says_nothing(tmp_path: Path) -> None:
    personas = Personas(tmp_path)
    personas.write("main", " \n")
    assert personas.read("main") == Persona("")


def test_what_nobody_sees_is_left_out_and_so_is_what_is_too_much(tmp_path: Path) -> None:
    personas = Personas(tmp_path)
    assert personas.write("main", "be\u200b k\x07ind\U000e0041") == Persona("be kind")
    with pytest.raises(InvalidRequest, match="more than 20000"):
        personas.write("main", "x" * (MOST_CHARACTERS + 1))
    personas.place("main").write_text("y\u200b" * 2 * MOST_CHARACTERS)
    read = personas.read("main")
    assert read is not None
    assert (read.text, read.is_cut) == ("y" * MOST_CHARACTERS, True)


def test_one_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    personas = Personas(tmp_path)
    personas.write("main", "mine", anew=False)
    with pytest.raises(Conflict, match="has a persona already"):
        personas.write("main", "yours", anew=False)
    assert personas.read("main") == Persona("mine")


def test_one_that_cannot_be_read_or_written_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    personas = Personas(tmp_path)
    personas.place("main").mkdir(parents=True)
    assert personas.read("main") == Persona("")
    assert "cannot be read" in caplog.text
    with pytest.raises(StoreError, match="cannot be written"):
        personas.write("main", "text")
    personas.place("main").rmdir()
    personas.write("main", "text")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    personas = Personas(tmp_path)
    personas.place("main").parent.mkdir()
    os.mkfifo(personas.place("main"))
    assert personas.read("main") == Persona("")
    assert "no regular file" in caplog.text
