"""Names of models that were probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_MOST_COMPARED = 2_000
"""How many names are looked at for their spelling, which takes long."""


def closest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The names that are most like one, best first: those that hold it, then those that are spelt alike."""
    names = list(dict.fromkeys(known))
    lowered = {other.lower(): other for other in names}
    wanted = name.lower().strip()
    holding = sorted((other for other in lowered if len(wanted) > 2 and wanted in other), key=len)
    alike = get_close_matches(wanted, islice(lowered, _MOST_COMPARED), n=count, cutoff=0.6)
    return [lowered[other] for other in dict.fromkeys([*holding, *alike])][:count]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a name that nobody knows; empty when nothing comes near it."""
    found = closest(name, known)
    if not found:
        return ""
    *others, last = found
    return f"did you mean {', '.join(others) + ' or ' if others else ''}{last}?"
