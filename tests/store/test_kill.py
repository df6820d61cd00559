"""A writer that is killed has kept what it acknowledged."""

import random
import re
import subprocess
import sys
import time
from pathlib import Path

from carapax.events import Envelope, StateChanged
from tests.running import run
from tests.store.opened import opened_journal

_KILLS = 10
_SESSIONS = 4


def killed(path: Path, life: int, after_s: float) -> list[tuple[str, int, int]]:
    """What a writer acknowledged, as session, seq and value, before it was killed."""
    command = [sys.executable, "-m", "tests.store.endless_writer", str(path), str(life), str(_SESSIONS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(after_s)
        writer.kill()
        output = (first + writer.stdout.read()).decode()
    return [(name, int(seq), int(value)) for name, seq, value in re.findall(r"(\w+) (\d+) (\d+)\n", output)]


def test_no_acknowledged_event_is_lost_by_killing_the_writer(tmp_path: Path) -> None:
    async def everything() -> dict[str, list[Envelope]]:
        async with opened_journal(tmp_path / "a.db") as journal:
            return {info.id: await journal.read(info.id) for info in await journal.sessions()}

    chance = random.Random(7)
    acknowledged: list[tuple[str, int, int]] = []
    for life in range(_KILLS):
        acknowledged += killed(tmp_path / "a.db", life, chance.random() * 0.1)
        kept = run(everything())
        for session, envelopes in kept.items():
            assert [envelope.seq for envelope in envelopes] == list(range(1, len(envelopes) + 1)), session
        for session, seq, value in acknowledged:
            event = kept[session][seq - 1].event
            assert isinstance(event, StateChanged) and event.value == value
    assert len(acknowledged) > 10 * _KILLS  # so that there was something to lose
