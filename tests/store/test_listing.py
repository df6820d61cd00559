"""Sessions listed: whatever is typed is looked for as it is, and what is listed in pages is listed once."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from carapax.store.listing import Wanted
from tests.running import run
from tests.store.opened import STARTED, opened_journal, said

ALPHABET = "ab%_!\"\\'{}:,äÄ"


@given(st.text(ALPHABET, min_size=1, max_size=4), st.text(ALPHABET + " ", min_size=1, max_size=30))
def test_a_session_is_found_exactly_when_what_was_said_holds_the_query(query: str, text: str) -> None:
    async def main(folder: Path) -> tuple[list[str], dict[str, str]]:
        async with opened_journal(folder / "journal.db") as journal:
            await journal.append("s", STARTED, said(text))
            found, words = await journal.listed(Wanted(query), 10)
            return [session.id for session in found], words

    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        found, words = run(main(Path(folder)))
    assert found == (["s"] if query in text else [])
    assert list(words) == found
