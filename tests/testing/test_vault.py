"""The vault in memory keeps the rules of every vault."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from carapax.contracts import SecretStore
from carapax.redaction import Secret
from carapax.testing import MemoryVault, SecretStoreContract
from tests.running import run


class TestMemoryVault(SecretStoreContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[SecretStore, None]:
        yield MemoryVault()


def test_it_can_begin_with_secrets() -> None:
    assert run(MemoryVault({"a": "b"}).get("a")) == Secret("b")
