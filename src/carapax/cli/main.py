"""The `carapax` command. Asked for the version, it imports next to nothing else."""

import gc
import io
import os
import sys

from carapax.cli.handover import hand_over
from carapax.version import __version__


def main() -> None:
    hand_over(__version__, sys.argv[1:])
    if sys.argv[1:] == ["--version"]:
        print(f"carapax {__version__}")
        return
    _open_streams()
    gc.disable()  # what is imported stays, and looking through it for garbage takes a tenth of the time: see `Commands`
    from carapax.cli.group import carapax

    carapax(prog_name="carapax")


def _open_streams() -> None:
    """Have standard input, output and error, if only of nothing: the next file to be opened would take the number of
    one that is closed, and be taken for it. What their encoding does not have is written out."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
