"""The providers of a home: asked of the gateway that runs on it, else looked after here."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from carapax.cli.loop import awaited
from carapax.cli.rpc import Gateway, find_gateway
from carapax.errors import Unavailable
from carapax.models.check import Checked
from carapax.models.listing import Addition, Offer, ProviderStatus, Silent
from carapax.store.health import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from carapax.config import Home
    from carapax.models.registry import Registry

T = TypeVar("T")
_PATIENCE_S = 20.0
"""How long another command is waited for: longer than that may wait for a vendor."""


class Providers(Protocol):
    """What goes wrong is raised as a CarapaxError."""

    def providers(self) -> list[ProviderStatus]: ...
    def add(self, addition: Addition) -> ProviderStatus: ...
    def remove(self, name: str, *, force: bool) -> None: ...
    def check(self, name: str) -> list[Checked]: ...
    def models(self, name: str) -> tuple[list[Offer], list[Silent]]: ...
    def health(self) -> list[State]: ...


def open_providers(home: Home) -> Providers:
    gateway = find_gateway(home)
    return Asked(gateway) if gateway else Kept(home)


class _Providers(msgspec.Struct):
    providers: list[ProviderStatus]


class _Checks(msgspec.Struct):
    checks: list[Checked]


class _Models(msgspec.Struct):
    models: list[Offer]
    silent: list[Silent]


class _States(msgspec.Struct):
    models: list[State]


class Asked:
    """By the running gateway, which then uses what was changed."""

    def __init__(self, gateway: Gateway) -> None:
        self._call = gateway.call

    def providers(self) -> list[ProviderStatus]:
        return self._call("provider.list", {}, _Providers).providers

    def add(self, addition: Addition) -> ProviderStatus:
        params = {name: getattr(addition, name) for name in addition.__struct_fields__}
        return self._call("provider.add", {**params, "key": addition.key.reveal()}, ProviderStatus)

    def remove(self, name: str, *, force: bool) -> None:
        self._call("provider.remove", {"provider": name, "force": force}, dict[str, str])

    def check(self, name: str) -> list[Checked]:
        return self._call("provider.check", {"provider": name}, _Checks).checks

    def models(self, name: str) -> tuple[list[Offer], list[Silent]]:
        found = self._call("model.list", {"provider": name}, _Models)
        return found.models, found.silent

    def health(self) -> list[State]:
        return self._call("model.health", {}, _States).models


class Kept:
    """In the home, on which no gateway runs. Whatever changes something holds it meanwhile."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def providers(self) -> list[ProviderStatus]:
        return self._with(lambda registry: registry.providers())

    def add(self, addition: Addition) -> ProviderStatus:
        return self._with(lambda registry: registry.add(addition), alone=True)

    def remove(self, name: str, *, force: bool) -> None:
        self._with(lambda registry: registry.remove(name, force=force), alone=True)

    def check(self, name: str) -> list[Checked]:
        return self._with(lambda registry: registry.check(name))

    def models(self, name: str) -> tuple[list[Offer], list[Silent]]:
        return self._with(lambda registry: registry.models(name))

    def health(self) -> list[State]:
        raise Unavailable("no gateway runs on this home, so no model is asked", "start it with `carapax`")

    def _with(self, use: Callable[[Registry], Awaitable[T]], *, alone: bool = False) -> T:
        from carapax.cli.unlocking import unlocked
        from carapax.configcheck import check
        from carapax.configfile import first_start
        from carapax.homelock import lock_home

        async def run() -> T:
            from carapax.clock import SystemClock
            from carapax.http import Http
            from carapax.models.facts import FactBook
            from carapax.models.keys import Keys
            from carapax.models.registry import Registry
            from carapax.settings import Settings

            config = check(self._home)
            async with Http() as http:
                keys = Keys(vault, os.environ)
                facts = FactBook(config.providers, config.models, self._home.facts_file)
                return await use(Registry(Settings(config, self._home), keys, http, SystemClock(), facts))

        vault = unlocked(self._home)
        if alone:
            first_start(self._home)
        with lock_home(self._home, patience_s=_PATIENCE_S) if alone else nullcontext():
            return awaited(run())
