"""Commands without confinement."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from carapax.contracts import Sandbox
from carapax.sandboxes.local import Config, Local
from tests.sandboxes.sandbox_contract import SandboxContract


class TestLocal(SandboxContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return Local(Config(), folder / "workspace")
