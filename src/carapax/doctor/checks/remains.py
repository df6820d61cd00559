"""What was left behind by a gateway that was killed."""

from pathlib import Path

from carapax.clock import SystemClock
from carapax.doctor.finding import Finding, Patient
from carapax.doctor.running import announced

NAME = "remains"
DRAFT, RUN_FILE = "draft", "run-file"
_OLD_S = 3600


async def check(patient: Patient) -> list[Finding]:
    home = patient.home
    folders = dict.fromkeys([home.data_dir, home.vault, home.run_file.parent], ".*.new")
    folders[home.config_dir] = f".{home.config_file.name}.new"  # other files in it may be anybody's
    drafts = [draft for folder, names in folders.items() for draft in sorted(folder.glob(names))]
    found = [_unfinished(draft) for draft in drafts if _is_old(draft)]
    last = announced(home)
    if last and not patient.running:
        message = f"{home.run_file} is of a gateway (process {last.pid}) that does not answer"
        remedy = "start the gateway, or remove the file"
        found.append(Finding(NAME, "warn", message, remedy, f"{NAME}:{RUN_FILE}:"))
    return found or [Finding(NAME, "ok", "nothing was left behind")]


def _is_old(draft: Path) -> bool:
    """Whether nobody can still be writing it."""
    return draft.is_file() and draft.stat().st_mtime < SystemClock().now() - _OLD_S


def _unfinished(draft: Path) -> Finding:
    return Finding(NAME, "warn", f"{draft} was never finished", f"rm {draft}", f"{NAME}:{DRAFT}:{draft}")
