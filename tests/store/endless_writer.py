"""A process that appends to a journal until it is killed, and says what was acknowledged."""

import asyncio
import itertools
import os
import sys
from contextlib import suppress
from pathlib import Path

from carapax.clock import SystemClock
from carapax.errors import Conflict
from carapax.events import SessionStarted, StateChanged
from carapax.store.journal import Journal
from tests.store.opened import opened_database


async def main(path: Path, life: int, sessions: int) -> None:
    async with opened_database(path) as database:
        journal = Journal(database, SystemClock())
        values = itertools.count(life * 1_000_000)

        async def write(session: str) -> None:
            while True:
                value = next(values)
                [envelope] = await journal.append(session, StateChanged("value", value))
                os.write(1, f"{session} {envelope.seq} {value}\n".encode())

        async with asyncio.TaskGroup() as writers:
            for number in range(sessions):
                with suppress(Conflict):
                    await journal.append(f"s{number}", SessionStarted("main", "test", ""))
                for _ in range(4):
                    writers.create_task(write(f"s{number}"))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
