"""What secrets cost: one read from the vault, and looking for all of them in what a tool says."""

import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from bench.table import Row, at_most
from carapax.clock import SystemClock
from carapax.redaction import Secret
from carapax.redactor import Redactor
from carapax.vaults.sealedfile import SealedFile

_SECRETS, _READS, _ROUNDS, _BLOCK = 30, 2000, 7, 10_240


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        yield at_most("one secret read from the unlocked vault", uvloop.run(_read(Path(folder))) * 1e6, "µs", 20)
    text = "".join(file.read_text(errors="replace") for file in sorted(Path(_stdlib()).glob("*.py"))[:20])
    blocks = [text[at : at + _BLOCK] for at in range(0, 30 * _BLOCK, _BLOCK)]
    none = Redactor()
    known = Redactor(Secret(f"{number * 7919:x}-Value_of-{number}") for number in range(_SECRETS))
    yield at_most("10 KB of code looked through for what is like a key", _each(none, blocks) * 1e6, "µs", 1000)
    yield at_most(f"the same, and for {_SECRETS} secrets in disguise", _each(known, blocks) * 1e6, "µs", 3000)


def _stdlib() -> str:
    return sysconfig.get_path("stdlib")


async def _read(folder: Path) -> float:
    """Seconds for one, the best of a few."""
    vault = SealedFile(folder / "vault", SystemClock())
    for number in range(_SECRETS):
        await vault.set(f"name/{number}", Secret(f"a secret of some length, number {number}"))
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for number in range(_READS):
            assert await vault.get(f"name/{number % _SECRETS}")
        best = min(best, (time.perf_counter() - began) / _READS)
    return best


def _each(redact: Callable[[str], str], blocks: list[str]) -> float:
    """Seconds for one of them, the best of a few."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for block in blocks:
            redact(block)
        best = min(best, (time.perf_counter() - began) / len(blocks))
    return best
