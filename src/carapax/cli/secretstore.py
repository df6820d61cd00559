"""The secrets of a home: kept by the gateway that runs on it, else here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from carapax.cli.loop import awaited
from carapax.cli.rpc import Gateway, find_gateway
from carapax.cli.unlocking import unlocked
from carapax.configfile import first_start
from carapax.contracts import KeptSecret, SecretStore
from carapax.errors import NotFound
from carapax.models.closest import did_you_mean
from carapax.vault import open_vault

if TYPE_CHECKING:
    from carapax.config import Home
    from carapax.redaction import Secret


class Secrets(Protocol):
    """What goes wrong is raised as a CarapaxError."""

    def kept(self) -> list[KeptSecret]: ...
    def set(self, name: str, secret: Secret) -> KeptSecret: ...
    def remove(self, name: str) -> None: ...


def open_secrets(home: Home) -> Secrets:
    gateway = find_gateway(home)
    return Asked(gateway) if gateway else Kept(home)


class _Secrets(msgspec.Struct):
    secrets: list[KeptSecret]


class Asked:
    """By the running gateway, which then uses what was changed."""

    def __init__(self, gateway: Gateway) -> None:
        self._call = gateway.call

    def kept(self) -> list[KeptSecret]:
        return self._call("secret.list", {}, _Secrets).secrets

    def set(self, name: str, secret: Secret) -> KeptSecret:
        return self._call("secret.set", {"name": name, "value": secret.reveal()}, KeptSecret)

    def remove(self, name: str) -> None:
        self._call("secret.remove", {"name": name}, dict[str, str])


class Kept:
    """In the vault of the home, on which no gateway runs."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def kept(self) -> list[KeptSecret]:
        return awaited(open_vault(self._home).kept())

    def set(self, name: str, secret: Secret) -> KeptSecret:
        first_start(self._home)
        return awaited(_set(unlocked(self._home), name, secret))

    def remove(self, name: str) -> None:
        awaited(_remove(unlocked(self._home), name))


async def _set(vault: SecretStore, name: str, secret: Secret) -> KeptSecret:
    await vault.set(name, secret)
    return next(kept for kept in await vault.kept() if kept.name == name)


async def _remove(vault: SecretStore, name: str) -> None:
    if not await vault.remove(name):
        known = await vault.names()
        raise NotFound(f"the vault has no {name!r}", did_you_mean(name, known) or "see `carapax secrets list`")
