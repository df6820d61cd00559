"""A vault in memory, and the rules that every vault keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from carapax.contracts import KeptSecret, SecretStore
from carapax.errors import InvalidRequest
from carapax.redaction import Secret

_LONGEST = 65_536


class MemoryVault:
    """Keeps secrets as long as it lives; `secrets` are those it has from the start."""

    def __init__(self, secrets: dict[str, str] | None = None) -> None:
        self._secrets = {name: Secret(value) for name, value in (secrets or {}).items()}
        self._versions = dict.fromkeys(self._secrets, 0)
        self._changes = 0

    async def get(self, name: str) -> Secret | None:
        return self._secrets.get(_checked(name))

    async def set(self, name: str, secret: Secret) -> None:
        if not 0 < len(secret.reveal().encode(errors="replace")) <= _LONGEST:
            raise InvalidRequest(f"the secret {name} is too long, or empty")
        self._secrets[_checked(name)] = secret
        self._changes += 1
        self._versions[name] = self._changes

    async def remove(self, name: str) -> bool:
        return self._secrets.pop(_checked(name), None) is not None

    async def names(self) -> list[str]:
        return sorted(self._secrets)

    async def kept(self) -> list[KeptSecret]:
        return [KeptSecret(name, self._versions[name], 0) for name in await self.names()]


def _checked(name: str) -> str:
    if (
        not name
        or len(name) > 200
        or not all(letter.isascii() and (letter.isalnum() or letter in ".:_/-") for letter in name)
    ):
        raise InvalidRequest(f"{name!r} is no name of a secret")
    return name


class SecretStoreContract:
    """The rules every vault keeps, as tests: inherit from it in a test class and say how to open an empty one.

    The checks run on a fresh event loop each.
    """

    def open(self) -> AbstractAsyncContextManager[SecretStore]:
        """An empty vault, closed at the end of the block."""
        raise NotImplementedError

    def test_a_secret_is_got_as_it_was_set(self) -> None:
        async def check(vault: SecretStore) -> None:
            for value in ("k", "sk-" + "x" * 5000, "żółw\n\t\0 🐢", "y" * _LONGEST):
                await vault.set("provider:one", Secret(value))
                assert await vault.get("provider:one") == Secret(value)

        self._with_vault(check)

    def test_secrets_do_not_get_into_each_others_way(self) -> None:
        async def check(vault: SecretStore) -> None:
            for name in ("b/x-1", "a.b_c", "provider:z"):
                await vault.set(name, Secret(f"of {name}"))
            await vault.set("a.b_c", Secret("another"))
            assert await vault.names() == ["a.b_c", "b/x-1", "provider:z"]
            assert await vault.remove("b/x-1")
            assert await vault.names() == ["a.b_c", "provider:z"]
            found = [await vault.get(name) for name in ("a.b_c", "b/x-1", "provider:z")]
            assert found == [Secret("another"), None, Secret("of provider:z")]

        self._with_vault(check)

    def test_another_secret_of_the_same_name_has_a_greater_version(self) -> None:
        async def check(vault: SecretStore) -> None:
            seen = []
            for value in ("1", "2", "3"):
                await vault.set("a", Secret(value))
                [kept] = await vault.kept()
                seen.append((kept.name, kept.version))
            assert await vault.remove("a") and await vault.kept() == []
            await vault.set("a", Secret("4"))
            seen += [(kept.name, kept.version) for kept in await vault.kept()]
            assert seen == sorted(set(seen)) and len(seen) == 4

        self._with_vault(check)

    def test_what_is_not_there_is_none(self) -> None:
        async def check(vault: SecretStore) -> None:
            assert (await vault.get("x"), await vault.names(), await vault.remove("x")) == (None, [], False)
            await vault.set("y", Secret("1"))
            assert (await vault.get("x"), await vault.remove("x"), await vault.remove("y")) == (None, False, True)
            assert await vault.names() == []

        self._with_vault(check)

    def test_names_and_secrets_that_cannot_be_are_refused(self) -> None:
        async def check(vault: SecretStore) -> None:
            for name in ("", "a b", "ä", "a\n", "x" * 201):
                with pytest.raises(InvalidRequest):
                    await vault.set(name, Secret("k"))
                with pytest.raises(InvalidRequest):
                    await vault.get(name)
                with pytest.raises(InvalidRequest):
                    await vault.remove(name)
            for value in ("", "x" * (_LONGEST + 1)):
                with pytest.raises(InvalidRequest):
                    await vault.set("fine", Secret(value))
            assert await vault.names() == []

        self._with_vault(check)

    def test_secrets_set_at_the_same_time_are_all_kept(self) -> None:
        async def check(vault: SecretStore) -> None:
            names = [f"n{number}" for number in range(8)]
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(vault.set(name, Secret(name)))
            assert await vault.names() == names
            assert [await vault.get(name) for name in names] == [Secret(name) for name in names]

        self._with_vault(check)

    def _with_vault(self, check: Callable[[SecretStore], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(30), self.open() as vault:
                await check(vault)

        asyncio.run(main())
