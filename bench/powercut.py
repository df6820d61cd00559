"""Power cuts: what an acknowledged event survives, and what it would not survive with a weaker sync.

A writer appends through the journal on a file system of its own, an ext4 in a file, and reports each acknowledged
`seq` to a file outside. The cut: the writer is stopped, the file is copied as it is (what was never synced is not in
it), and the copy is mounted and read. Needs root and loop devices. `python -m bench.powercut --cuts 20 --control 10`.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from carapax.clock import SystemClock
from carapax.events import MessageReceived, SessionStarted
from carapax.messages import Sender
from carapax.store.journal import Journal
from carapax.store.migrations import migrate
from carapax.store.sqlite import open_database

IMAGE_MB = 64
CAP_SYS_ADMIN = 1 << 21
# The kernel writes back on its own after this many seconds; longer than a round, so that only a sync saves anything.
COMMIT_S = 60
WRITERS = 8


@dataclass
class Tally:
    """What became of the acknowledged events over the cuts of one policy."""

    policy: str
    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    losing_cuts: int = 0
    damaged: int = 0
    seconds: list[float] = field(default_factory=list)

    def line(self) -> str:
        bound = f"0 of {self.cuts} cuts lost anything: p < {3 / max(1, self.cuts):.2f}" if not self.losing_cuts else ""
        return (
            f"{self.policy:>6}: {self.cuts} cuts, {self.acknowledged} acknowledged, {self.lost} lost "
            f"in {self.losing_cuts} cuts, {self.damaged} damaged  {bound}"
        )


def missing() -> str:
    """Why power cuts cannot be tried here; empty when they can."""
    if os.geteuid() != 0:
        return "mounting a loop file system needs root"
    if not _capabilities() & CAP_SYS_ADMIN:
        return "this container may not mount file systems"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices here"
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None:
            return f"{tool} is missing"
    return ""


def _capabilities() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["CapEff"], 16)


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", f"loop,commit={COMMIT_S}", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def write(database_file: Path, report: Path, synchronous: str) -> None:
    """The writer process: appends for ever, and reports `session seq` once an append has returned."""
    database = await open_database(database_file, synchronous=synchronous)
    await migrate(database)
    journal = Journal(database, SystemClock())
    told = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def talk(session: str) -> None:
        await journal.append(session, SessionStarted("main", "bench", session))
        for number in range(1, sys.maxsize):
            message = MessageReceived(f"{session}-{number}", Sender("ann"), "x" * 400, "bench", session)
            envelopes = await journal.append(session, message)
            os.write(told, f"{session} {envelopes[-1].seq}\n".encode())

    async with asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(talk(f"s{number}"))


async def read(database_file: Path) -> dict[str, int]:
    """The last `seq` of each session, all of them checked to be there without a gap."""
    database = await open_database(database_file)
    try:
        journal = Journal(database, SystemClock())
        found: dict[str, int] = {}
        for info in await journal.sessions():
            seqs = [envelope.seq for envelope in await journal.read(info.id)]
            assert seqs == list(range(1, len(seqs) + 1)), f"{info.id} has gaps"
            found[info.id] = len(seqs)
        return found
    finally:
        await database.close()


def acknowledged(report: Path) -> dict[str, int]:
    """The last acknowledged `seq` of each session; the seqs are contiguous, so it counts them as well."""
    last: dict[str, int] = {}
    for line in report.read_text().splitlines():
        session, seq = line.split()
        last[session] = int(seq)
    return last


def cut(folder: Path, synchronous: str, run_s: float, tally: Tally) -> None:
    """Write for a while, cut the power, and count what is gone."""
    began = time.monotonic()
    image, copy, report = folder / "image", folder / "copy", folder / "report"
    for file in (image, copy, report):
        file.unlink(missing_ok=True)
    with image.open("wb") as empty:
        empty.truncate(IMAGE_MB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    with mounted(image, folder / "live") as live:
        writer = subprocess.Popen(
            [sys.executable, "-m", "bench.powercut", "--write", live / "carapax.db", report, synchronous],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_for_report(report, writer)
            time.sleep(run_s)
            writer.send_signal(signal.SIGSTOP)
            os.waitpid(writer.pid, os.WUNTRACED)
            promised = acknowledged(report)
            shutil.copyfile(image, copy)
        finally:
            writer.kill()
            writer.wait()
    with mounted(copy, folder / "after") as after:
        try:
            kept = asyncio.run(read(after / "carapax.db"))
        except AssertionError:
            kept, tally.damaged = {}, tally.damaged + 1
    lost = sum(max(0, seq - kept.get(session, 0)) for session, seq in promised.items())
    tally.cuts += 1
    tally.acknowledged += sum(promised.values())
    tally.lost += lost
    tally.losing_cuts += lost > 0
    tally.seconds.append(time.monotonic() - began)


def _wait_for_report(report: Path, writer: "subprocess.Popen[bytes]") -> None:
    """Until every writer has an acknowledged event."""
    for _ in range(400):
        if writer.poll() is not None:
            raise SystemExit(f"the writer ended with {writer.returncode}")
        if report.exists() and len(acknowledged(report)) == WRITERS:
            return
        time.sleep(0.05)
    raise SystemExit("the writer acknowledged nothing within 20 s")


def rehearse(cuts: int, control: int, seed: int) -> tuple[Tally, Tally]:
    """The cuts with our policy, and those of the control that must lose."""
    chance = random.Random(seed)
    ours, weak = Tally("FULL"), Tally("NORMAL")
    with tempfile.TemporaryDirectory(prefix="carapax-powercut-") as folder:
        for tally, number in ((ours, cuts), (weak, control)):
            for round_ in range(number):
                cut(Path(folder), tally.policy, 0.3 + chance.random(), tally)
                print(f"{tally.policy} cut {round_ + 1}/{number}: {tally.line()}", file=sys.stderr)
    return ours, weak


def failures(ours: Tally, weak: Tally) -> list[str]:
    """What speaks against the promise, or against the rehearsal itself."""
    found = []
    if ours.lost or ours.damaged:
        found.append(f"FULL lost {ours.lost} acknowledged events, {ours.damaged} stores were damaged")
    if weak.cuts and not weak.lost:
        found.append("the control lost nothing, so this rehearsal proves nothing")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--control", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", nargs=3, metavar=("DATABASE", "REPORT", "SYNCHRONOUS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        database, report, synchronous = options.write
        asyncio.run(write(Path(database), Path(report), synchronous))
    if reason := missing():
        print(f"no power cuts here: {reason}")
        return 1
    ours, weak = rehearse(options.cuts, options.control, options.seed)
    print(f"{ours.line()}\n{weak.line()}")
    seconds = sorted(ours.seconds + weak.seconds)
    print(f"a cut takes {seconds[len(seconds) // 2]:.1f} s (median)")
    found = failures(ours, weak)
    for failure in found:
        print(f"FAILED: {failure}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
