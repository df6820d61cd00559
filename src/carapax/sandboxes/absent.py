"""A sandbox that cannot be had: whoever wants to use it is told why."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

from carapax.contracts import Entry, Execution
from carapax.errors import Unavailable
from carapax.redaction import Secret


class Absent:
    """Stands where the chosen sandbox could not be opened; every method raises that `reason`."""

    network = False

    def __init__(self, reason: Unavailable) -> None:
        self._reason = reason

    def of(self, session: str) -> "Absent":
        """All sessions share it."""
        return self

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        self._refuse()

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        self._refuse()

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        self._refuse()

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unavailable(self._reason.message, self._reason.hint)
