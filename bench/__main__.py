"""`make bench`: run every programme here that has `rows()`, print the table, and add it to results.md.

`python -m bench startup` runs only the programmes named, and leaves results.md alone.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.table import Row, append, heading, render


def main(names: list[str]) -> int:
    # What is started here keeps its compiled modules, as an installed program does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows = list(measure(names))
    print(f"\n{heading()}\n\n{render(rows)}")
    if not names:
        append(rows)
    return 0 if all(row.met for row in rows) else 1


def measure(names: list[str]) -> Iterator[Row]:
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if info.name.startswith("_") or (names and info.name not in names):
            continue
        programme = importlib.import_module(f"bench.{info.name}")
        if hasattr(programme, "rows"):
            print(f"{info.name} ...", file=sys.stderr, flush=True)
            yield from programme.rows()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
