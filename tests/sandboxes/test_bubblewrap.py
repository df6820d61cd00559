"""Commands in namespaces of their own."""

import os
import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from carapax.contracts import Sandbox
from carapax.sandboxes.bubblewrap import Bubblewrap, Config
from tests.sandboxes.sandbox_contract import SandboxContract

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)


class TestBubblewrap(SandboxContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return Bubblewrap(Config(), folder / "private" / "workspace")
