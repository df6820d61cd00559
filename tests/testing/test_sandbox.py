"""The sandbox in memory keeps files as the real ones do."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from carapax.contracts import Execution, Sandbox
from carapax.redaction import Secret
from carapax.testing.sandbox import MemorySandbox
from tests.running import run
from tests.sandboxes.sandbox_contract import FilesContract


@asynccontextmanager
async def in_memory() -> AsyncIterator[Sandbox]:
    yield MemorySandbox()


class TestMemorySandbox(FilesContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return in_memory()


def test_commands_end_as_the_script_says_and_are_kept() -> None:
    pieces: list[str] = []
    sandbox = MemorySandbox(script=lambda command: Execution(len(command), "said"))
    given = {"TOKEN": Secret("a value")}
    ended = run(sandbox.exec(("a", "b"), timeout_s=1, max_output=3, progress=pieces.append, environment=given))
    assert (ended, pieces) == (Execution(2, "sai", truncated=True), ["said"])
    assert (sandbox.commands, sandbox.environments) == ([["a", "b"]], [given])
