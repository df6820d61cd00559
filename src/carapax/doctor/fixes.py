"""What is repaired without a person's hands: only what can lose nothing. Each repair says what it did."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

from carapax.configfile import free_port
from carapax.doctor.checks import containers, remains
from carapax.doctor.finding import Patient
from carapax.errors import Forbidden, Unavailable
from carapax.homelock import lock_home
from carapax.store.connection import tidy

Fix = Callable[[Patient, str], str]
"""Given the home and what the finding names; it waits for disks, so it has a thread to itself."""


def make_private(patient: Patient, path: str) -> str:
    """Take the rights of other users away, from what is ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            state = os.fstat(descriptor)
            if state.st_uid != os.geteuid():  # a link may lead to what is not
                raise Forbidden(f"{path} is of another user ({state.st_uid})", f"chmod go= {path}, as that user")
            os.fchmod(descriptor, stat.S_IMODE(state.st_mode) & 0o700)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}", f"chmod go= {path}, as its owner") from error
    return f"only you can get at {path} now"


def remove_draft(patient: Patient, path: str) -> str:
    """Remove a file that was never finished."""
    Path(path).unlink(missing_ok=True)
    return f"{path} is gone"


def remove_run_file(patient: Patient, subject: str) -> str:
    """Remove what a gateway that is gone said of itself. Raises StoreLocked when one runs after all."""
    with lock_home(patient.home):
        patient.home.run_file.unlink(missing_ok=True)
    return f"{patient.home.run_file} is gone"


def tidy_database(patient: Patient, subject: str) -> str:
    """Move the log of the database into it, and let it plan anew."""
    with lock_home(patient.home):
        before, after = tidy(patient.home.database_file)
    return f"the log of the database takes {after / 1e6:.1f} MB, no longer {before / 1e6:.1f} MB"


def remove_containers(patient: Patient, subject: str) -> str:
    """Remove containers that do not run, and images that nothing names any more."""
    gone = asyncio.run(containers.remove(patient))
    return f"removed: {', '.join(gone)}" if gone else "nothing could be removed: another container needs it"


def move_port(patient: Patient, subject: str) -> str:
    """Have the gateway listen on a port that is free. Raises StoreLocked when it is the gateway that has the port."""
    from carapax.configedit import change  # noqa: PLC0415  # heavy, and seldom needed

    with lock_home(patient.home):
        port = free_port()
        change(patient.home, {("gateway", "port"): port})
    return f"the gateway listens on port {port} when it is started next"


FIXES: dict[str, Fix] = {
    "private": make_private,
    "move": move_port,
    "tidy": tidy_database,
    "clean": remove_containers,
    remains.DRAFT: remove_draft,
    remains.RUN_FILE: remove_run_file,
}
