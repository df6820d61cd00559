"""Commands that read, write and list, and what they say."""

import pytest

from carapax.containers.files import entries, listing, reading, refuse, writing
from carapax.contracts import Entry
from carapax.errors import CarapaxError, Forbidden, InvalidRequest, NotFound, Unavailable


def test_entries_come_in_order_of_their_paths() -> None:
    said = b"./b\0./a/c\0./a\0\0" + b"81a4 3 ./b\na1ff 9 ./a/c\n41ed 4096 ./a\n" + b"\0"
    assert entries(said, "./x/", 9) == [
        *(Entry("x/a", "folder", 0), Entry("x/a/c", "link", 0), Entry("x/b", "file", 3)),
    ]
    assert entries(said + said, ".", 1) == [Entry("a", "folder", 0)]


def test_a_name_cannot_pass_for_another_entry() -> None:
    name = b"./a\n81a4 1 ./forged"
    said = name + b"\0./gone\0./z\0\0" + b"81a4 5 " + name + b"\n11b6 0 ./z\n\0"
    assert entries(said, ".", 9) == [Entry("a\n81a4 1 ./forged", "file", 5), Entry("z", "other", 0)]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "/database"])
def test_a_path_that_leads_out_by_its_words_runs_nothing(path: str) -> None:
    with pytest.raises(Forbidden):
        reading(path, 1)
    with pytest.raises(Forbidden):
        listing(path, recursive=True)
    with pytest.raises(Forbidden):
        writing(path, 1, append=False)


def test_a_very_deep_path_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="folders"):
        reading("a/" * 200, 1)


@pytest.mark.parametrize(
    ("code", "error"), [(62, NotFound), (78, Forbidden), (81, InvalidRequest), (88, Unavailable), (1, Unavailable)]
)
def test_exit_codes_are_errors(code: int, error: type[CarapaxError]) -> None:
    refuse(0, "a")
    with pytest.raises(error):
        refuse(code, "a")
