"""A real llama.cpp server with a model that is made for it.

`python -m tests.fakes.llama_cpp` prints its address and serves until its standard input ends; `serving` is the same for
a test.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.gguf import write_model

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(*, embedding: bool = False) -> Iterator[str]:
    """The address of a server that is up until the end."""
    command = [sys.executable, "-m", "tests.fakes.llama_cpp", *(["--embedding"] if embedding else [])]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            assert address, "llama.cpp did not start"
            yield address
        finally:
            server.kill()


def main() -> None:
    import xllamacpp  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; 100 MB, for this process alone

    with tempfile.TemporaryDirectory(prefix="carapax-") as folder:
        file = Path(folder) / "tiny.gguf"
        write_model(file)
        settings = xllamacpp.CommonParams()
        settings.model.path = str(file)
        settings.model_alias = {"tiny"}
        settings.n_ctx = 4096
        settings.n_predict = 64
        settings.embedding = "--embedding" in sys.argv
        server = xllamacpp.Server(settings)
        print(server.listening_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
