"""S34: whatever somebody who can write the database does to the audit log is found, and nothing in it commands a
terminal that shows it."""

import json
import random
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from click.testing import CliRunner

from carapax.cli.group import carapax
from carapax.config import Home
from carapax.store import audit
from carapax.store.audit import Actor, Audit, chained, following, newest, verify, written
from carapax.store.database import Database, Row, Statement
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database
from carapax.testing import FakeClock
from tests.proof.figures import Figure, bound, shown
from tests.running import run

ENTRIES = 40
KINDS = ("auth.refused", "approval.given", "tool.called", "token.create", "session.end")


class Log(NamedTuple):
    """The rows of the log, each (number, kind, body, hash), and the number and hash of its head."""

    rows: list[Row]
    head: tuple[int, str]


class Tampering(NamedTuple):
    what: str
    log: Log


def rebuilt(rows: Sequence[Row], first: int = 1) -> Log:
    """The rows as a whole chain of their own, with the head that belongs to it: the work of one who knows how."""
    made: list[Row] = []
    before = ""
    for number, (_, kind, body, _) in enumerate(rows, first):
        before = chained(before, str(body))
        made.append((number, kind, body, before))
    return Log(made, (first + len(rows) - 1, before))


def edited(row: Row, field: int, value: str | int | float | bytes | None) -> Row:
    changed = list(row)
    changed[field] = value
    return tuple(changed)


def forged(body: object) -> str:
    """The same entry, but of somebody else."""
    return written(msgspec.convert(json.loads(str(body)) | {"who": "nobody"}, audit.Entry))


def tamperings(log: Log) -> Iterator[Tampering]:
    rows, head = log
    count, chance = len(rows), random.Random(34)
    last = (count - 1, str(rows[-2][3]))
    for place, row in enumerate(rows):
        without = [*rows[:place], *rows[place + 1 :]]
        another = edited(row, 2, forged(row[2]))
        yield Tampering("cut", Log(without, head))
        yield Tampering("cut and re-numbered", Log([edited(each, 0, at) for at, each in enumerate(without, 1)], head))
        yield Tampering("edit", Log([*rows[:place], another, *rows[place + 1 :]], head))
        hashed = edited(another, 3, chained(str(rows[place - 1][3]) if place else "", str(another[2])))
        yield Tampering("edit and hash", Log([*rows[:place], hashed, *rows[place + 1 :]], head))
        yield Tampering("kind", Log([*rows[:place], edited(row, 1, "x"), *rows[place + 1 :]], head))
        yield Tampering("number", Log([*rows[:place], edited(row, 0, count + 5), *rows[place + 1 :]], head))
        yield Tampering("twice", Log([*rows, edited(row, 0, count + 1)], (count + 1, str(row[3]))))
        yield Tampering("truncate", Log(rows[:place], head))
        yield Tampering("truncate with the head", Log(rows[:place], (place, str(rows[place - 1][3]) if place else "")))
        yield Tampering("beginning cut off", Log(rows[place + 1 :], head))
        yield Tampering("made anew without one", rebuilt(without))
        yield Tampering("made anew with an edit", rebuilt([*rows[:place], another, *rows[place + 1 :]]))
        yield Tampering("made anew from there", rebuilt(rows[place + 1 :]))
        other = chance.choice([at for at in range(count) if at != place])
        swapped = list(rows)
        swapped[place], swapped[other] = edited(rows[other], 0, row[0]), edited(row, 0, rows[other][0])
        yield Tampering("swap", Log(swapped, head))
        yield Tampering("swap made anew", rebuilt(swapped))
    yield Tampering("all in another order", rebuilt(rows[::-1]))
    yield Tampering("nothing left", Log([], (0, "")))
    yield Tampering("head", Log(list(rows), last))
    yield Tampering("head and last", Log(rows[:-1], last))


@asynccontextmanager
async def opened(file: Path) -> AsyncGenerator[Database, None]:
    database = await open_database(file)
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()


async def kept(database: Database) -> Log:
    rows = await database.fetch("SELECT number, kind, body, hash FROM audit ORDER BY number")
    head = await database.fetch("SELECT number, hash FROM audit_head WHERE id = 1")
    return Log([tuple(row) for row in rows], (int(str(head[0][0])), str(head[0][1])))


async def put(database: Database, log: Log) -> None:
    insert = "INSERT INTO audit (number, kind, body, hash) VALUES ($1, $2, $3, $4)"
    await database.transact(
        [
            Statement("DELETE FROM audit"),
            *(Statement(insert, tuple(row)) for row in log.rows),
            Statement("UPDATE audit_head SET number = $1, hash = $2", log.head),
        ]
    )


async def undetected(folder: Path, *, elsewhere: bool = True) -> tuple[int, list[str]]:
    """What `verify` does not find, with the hash of the last entry kept `elsewhere` or not."""
    missed: list[str] = []
    async with opened(folder / "audit.db") as database:
        log = Audit(database, FakeClock())
        for number in range(ENTRIES):
            await log.note(KINDS[number % len(KINDS)], Actor(f"t{number}", "phone"), detail={"number": number})
        whole = await kept(database)
        head = whole.head[1] if elsewhere else ""
        assert (await verify(database, kept=head)).broken == 0
        done = list(tamperings(whole))
        for what, tampered in done:
            await put(database, tampered)
            if (await verify(database, kept=head)).broken == 0:
                missed.append(what)
        await put(database, whole)
        await log.note("auth.login", Actor("t", "phone"))
        assert (await verify(database, kept=head)).broken == 0
    return len(done), missed


def test_whatever_is_done_to_the_log_is_found(tmp_path: Path) -> None:
    tried, missed = run(undetected(tmp_path), within_s=100)
    shown(
        Figure(
            "S34", "audit log cut, swapped, edited, made anew: undetected", bound(len(missed), tried), "0", not missed
        )
    )
    assert missed == []


def test_a_chain_made_anew_is_not_found_without_a_hash_kept_elsewhere(tmp_path: Path) -> None:
    """So the programme can fail, and the page says what to do."""
    _, missed = run(undetected(tmp_path, elsewhere=False), within_s=100)
    assert {"made anew without one", "made anew with an edit", "swap made anew", "truncate with the head"} <= set(
        missed
    )
    assert not {"cut", "edit", "edit and hash", "swap", "truncate", "kind", "number", "head"} & set(missed)


@pytest.mark.parametrize(
    "weak",
    [lambda before, body: "same", lambda before, body: sha256(body.encode()).hexdigest()],
    ids=["no hash", "no chain"],
)
def test_a_weaker_chain_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weak: Callable[[str, str], str]
) -> None:
    for module in ("carapax.store.audit", "carapax.store.connection", __name__):
        monkeypatch.setattr(f"{module}.chained", weak, raising=False)
    monkeypatch.setattr(f"{__name__}.ENTRIES", 10)
    _, missed = run(undetected(tmp_path), within_s=100)
    assert "swap" in missed or "edit" in missed


HOSTILE = [
    *map(chr, [*range(1, 9), *range(11, 32), *range(0x7F, 0xA0)]),
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe\u202c",
    "\u2066\u2069\u200b\u200e\ufeff\u2028\u2029",
    "".join(chr(0xE0000 + ord(each)) for each in "tags"),
    "line\nfeed\r\nand return",
]
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


async def hostile(folder: Path) -> None:
    async with opened(folder / "data" / "carapax.db") as database:
        log = Audit(database, FakeClock())
        for text in HOSTILE:
            await log.note(
                f"tool.{text}", Actor(text, text, text), channel=text, session=text, detail={"tool": text, text: text}
            )
        assert len(await following(database, 0)) == len(await newest(database)) == len(HOSTILE)


def raw(folder: Path) -> tuple[int, int]:
    """How many characters were shown, and how many of them a terminal would obey."""
    (folder / "data").mkdir()
    run(hostile(folder))
    home = Home(folder, folder / "data")
    (home.config_file).write_text("")
    seen = ""
    for arguments in (["audit", "--limit", "1000"], ["audit", "--export", "-"], ["audit", "--verify"], ["doctor"]):
        seen += CliRunner().invoke(carapax, [*arguments, "--home", str(folder)]).output
    return len(seen), len(RAW.findall(seen))


def test_nothing_in_the_log_commands_a_terminal(tmp_path: Path) -> None:
    seen, found = raw(tmp_path)
    shown(
        Figure("S34", f"escapes of {len(HOSTILE)} hostile texts in every field, shown raw", f"{found}", "0", not found)
    )
    assert seen > 10_000
    assert found == 0


def test_a_log_that_is_shown_as_it_is_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.cli.audit.one_line", lambda text, width=0: text)
    assert raw(tmp_path)[1] > 100
