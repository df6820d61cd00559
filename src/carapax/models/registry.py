"""The providers of a gateway: which there are and what they offer, and adding and removing them while it runs."""

import asyncio
import re
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from carapax.clock import Clock
from carapax.config import Config, ProviderConfig
from carapax.errors import CarapaxError, ConfigError, Conflict, InvalidRequest, NotFound
from carapax.http import Http
from carapax.models.catalogue import Vendor, resolve, speaker, vendors
from carapax.models.check import CHECK_S, Checked, ask, ask_embedder, ask_searcher, told
from carapax.models.closest import did_you_mean
from carapax.models.credential import Credentials, Fixed
from carapax.models.detection import Detected, detect, needs_key
from carapax.models.facts import FactBook
from carapax.models.keys import Keys, provider_of, secret_name
from carapax.models.listing import ADDRESS, NAME, VARIABLE, Addition, Offer, ProviderStatus, Silent, Standing
from carapax.models.opening import open_embedder, open_provider, open_searcher
from carapax.redaction import Secret, without_userinfo
from carapax.store.audit import LOCAL, Actor
from carapax.store.health import State
from carapax.uninterrupted import uninterrupted

_AT_ONCE = 16
_MOST_OFFERS = 5_000
"""Of one provider; more serve nobody, and are too much for a page."""
_BREATH = 100


class Live(Protocol):
    """What is told when the key of a provider is another one; `agent.models.Models` is one."""

    async def renew(self, name: str) -> None: ...
    def detected(self) -> Detected: ...
    async def look_again(self) -> None: ...


class Health(Protocol):
    """How models fared; `agent.health.Health` is one."""

    def all(self) -> list[State]: ...
    async def succeeded(self, provider: str, model: str) -> bool: ...


class Settings(Protocol):
    """The configuration; `settings.Settings` is one."""

    current: Config

    async def change(
        self, changes: Mapping[tuple[str, ...], object], *, who: Actor = LOCAL, force: bool = False
    ) -> None: ...


@dataclass(slots=True)
class Registry:
    """Without `live`, changes are only kept on disk."""

    settings: Settings
    keys: Keys
    http: Http
    clock: Clock
    facts: FactBook
    health: Health | None = None
    live: Live | None = None
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def config(self) -> Config:
        return self.settings.current

    async def look_again(self) -> None:
        """Have agents without a model of their own use what can be found by now, where nothing was found before. Raises
        what the vault raises."""
        if self.live:
            await self.live.look_again()

    async def providers(self) -> list[ProviderStatus]:
        """Every provider that can be asked, the configured ones first. Raises what the vault raises."""
        await self.look_again()
        configured = dict(self.config.providers)
        found = [await self._status(name, section, "configured") for name, section in configured.items()]
        names = set(configured)
        for name, vendor in vendors().items():
            if name not in names and needs_key(vendor) and await self.keys.source(name, vendor):
                found.append(await self._status(name, None, "key"))
                names.add(name)
        detected = self.live.detected() if self.live else await detect(self.config.providers, self.keys, self.http)
        if detected.provider not in names:
            found.append(await self._status(detected.provider, None, "detected"))
        return found

    async def add(self, addition: Addition, who: Actor = LOCAL) -> ProviderStatus:
        """Keep a provider, or another key for one, and use it from the next run on. Nothing is kept unless it answers.

        Raises InvalidRequest, NotFound for a vendor or dialect that nobody knows, Conflict when one of this name is
        there with other settings or carapax.toml cannot be changed, a ModelError when there is no key or it does not
        answer, StoreError when carapax.toml cannot be written, and what the vault raises.
        """
        async with self._changing:
            name, key = addition.name, Secret(addition.key.reveal().strip())
            section = self._section(addition)
            await self._check_key(name, section, key)
            if addition.check:
                await self._ask(name, section, key)
            await uninterrupted(self._keep(name, section, key, who))
            await self._recovered(name)
            return await self._status(name, section, "configured")

    async def remove(self, name: str, *, force: bool = False, who: Actor = LOCAL) -> None:
        """Forget a provider and its key. Raises NotFound, Conflict when agents or chains use it, unless `force`."""
        async with self._changing:
            kept = secret_name(name) in await self.keys.vault.names()
            if name not in self.config.providers and not kept:
                raise await self._not_removable(name)
            if not force and (users := list(self._users(name))):
                hint = "change them first; removed with force, it leaves a carapax.toml that the next start refuses"
                raise Conflict(f"{name} is used by {', '.join(users)}", hint)
            await uninterrupted(self._forget(name, kept=kept, force=force, who=who))
            await self._recovered(name)

    async def keep_secret(self, name: str, secret: Secret) -> None:
        """Keep a secret of any name; the key of a provider is used from the next run on. Raises what the vault does."""
        await self._change_secret(name, self.keys.vault.set(name, secret))

    async def forget_secret(self, name: str) -> None:
        """Forget a secret of any name. Raises NotFound, and what the vault does."""
        await self._change_secret(name, self._drop_secret(name))

    async def check(self, name: str = "") -> list[Checked]:
        """Ask one provider, or all of them at the same time, whether they answer. Raises NotFound."""
        names = [status.name for status in await self._chosen(name)]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def check(name: str) -> Checked:
            async with gate:
                return await self._checked(name)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(check(name)) for name in names]
        return [task.result() for task in tasks]

    async def models(self, name: str = "") -> tuple[list[Offer], list[Silent]]:
        """What one provider offers, or all of them, and which of them did not say. Raises NotFound."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def models(name: str) -> tuple[list[Offer], list[Silent]]:
            async with gate:
                return await self._offers(name)

        names = [status.name for status in await self._chosen(name) if status.dialect or name]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(models(name)) for name in names]
        results = [task.result() for task in tasks]
        return [offer for offers, _ in results for offer in offers], [one for _, silent in results for one in silent]

    async def _change_secret(self, name: str, change: Coroutine[object, object, None]) -> None:
        async def done() -> None:
            await change
            if provider := provider_of(name):
                await self._renew(provider)
                await self._recovered(provider)

        async with self._changing:
            await uninterrupted(done())

    async def _drop_secret(self, name: str) -> None:
        if not await self.keys.vault.remove(name):
            known = await self.keys.vault.names()
            raise NotFound(f"the vault has no {name!r}", did_you_mean(name, known) or "see secret.list")

    async def _chosen(self, name: str) -> list[ProviderStatus]:
        found = await self.providers()
        if not name:
            return found
        if chosen := [status for status in found if status.name == name]:
            return chosen
        if name in vendors():
            return [await self._status(name, None, "detected")]
        known = [*(status.name for status in found), *vendors()]
        raise NotFound(f"there is no provider {name!r}", did_you_mean(name, known) or "see provider.list")

    async def _offers(self, name: str) -> tuple[list[Offer], list[Silent]]:
        try:
            async with asyncio.timeout(CHECK_S):
                provider = await open_provider(name, self.config.providers.get(name), self.http, self.keys, self.clock)
                found = await provider.models()
        except TimeoutError:
            return [], [Silent(name, f"{name} did not answer in {CHECK_S:.0f} s")]
        except CarapaxError as error:
            return [], [Silent(name, str(error))]
        offers: list[Offer] = []
        for info in found[:_MOST_OFFERS]:
            offers.append(self._offer(name, info.name, info.context_tokens))
            if len(offers) % _BREATH == 0:
                await asyncio.sleep(0)
        many = f"{name} lists {len(found):,} models, of which these are the first {_MOST_OFFERS:,}"
        return offers, [Silent(name, many)] if len(found) > _MOST_OFFERS else []

    def _offer(self, provider: str, model: str, context_tokens: int) -> Offer:
        facts = self.facts.of(provider, model)
        usd = facts.price and (facts.price.input / 1000, facts.price.output / 1000)
        return Offer(
            provider,
            model,
            facts.context_tokens if facts.known else context_tokens,
            facts.output_tokens,
            facts.images,
            facts.documents,
            facts.reasoning,
            usd[0] if usd else None,
            usd[1] if usd else None,
            facts.known,
        )

    async def _status(self, name: str, section: ProviderConfig | None, standing: Standing) -> ProviderStatus:
        vendor = resolve(name, section)
        known = section.vendor if section and section.vendor else name if name in vendors() else ""
        states = self.health.all() if self.health else []
        return ProviderStatus(
            name,
            known,
            vendor.dialect,
            without_userinfo(vendor.base_url),
            vendor.default_model,
            await self.keys.source(name, vendor, section),
            needs_key(vendor),
            vendor.local,
            standing,
            tuple(state for state in states if state.provider == name),
        )

    def _section(self, addition: Addition) -> ProviderConfig:
        """The section an addition asks for, or the one that is there when only its key is to be another."""
        name = addition.name
        _check(addition)
        if name in self.config.chains or name == "auto":
            raise Conflict(f"{name!r} is the name of a chain", "choose another name")
        section = ProviderConfig(**{key: getattr(addition, key) for key in _WRITTEN})
        there = self.config.providers.get(name)
        if there is not None and section not in (ProviderConfig(), there):
            raise Conflict(
                f"[providers.{name}] is there with other settings", "remove it first, or choose another name"
            )
        try:
            speaker(resolve(name, there or section))
        except ConfigError as error:
            raise NotFound(error.message, error.hint) from error
        return there or section

    async def _check_key(self, name: str, section: ProviderConfig, key: Secret) -> None:
        vendor = resolve(name, section)
        if key and not (key.reveal().isascii() and key.reveal().isprintable()):
            raise InvalidRequest(f"the key for {name} has characters that no key has", "check what was pasted")
        if needs_key(vendor) and not key and not vendor.login:
            await self.keys.require(name, vendor, section)

    async def _ask(self, name: str, section: ProviderConfig | None, key: Secret | None = None) -> int:
        """How many models it says it has. Raises a ModelError when it does not answer."""
        credentials = Fixed(key) if key else None
        vendor = resolve(name, section)
        if not vendor.dialect:
            await self._try(name, section, vendor, credentials)
            return 0
        provider = await open_provider(name, section, self.http, self.keys, self.clock, credentials=credentials)
        anonymous = None
        if key or await self.keys.source(name, vendor, section):
            anonymous = await open_provider(name, section, self.http, self.keys, self.clock, credentials=Fixed())
        return await ask(provider, vendor.default_model, anonymous)

    async def _try(
        self, name: str, section: ProviderConfig | None, vendor: Vendor, credentials: Credentials | None
    ) -> None:
        """Ask one that has no models to talk to for the least that it can do."""
        around = (name, section, self.http, self.keys, self.clock)
        if vendor.search:
            await ask_searcher(await open_searcher(*around, credentials=credentials))
        else:
            await ask_embedder(await open_embedder(*around, credentials=credentials), vendor.default_embedding)

    async def _checked(self, name: str) -> Checked:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            count = await self._ask(name, self.config.providers.get(name))
        except CarapaxError as error:
            return told(name, loop.time() - began, error)
        await self._recovered(name)
        return Checked(name, True, loop.time() - began, count)

    async def _keep(self, name: str, section: ProviderConfig, key: Secret, who: Actor) -> None:
        """The key first: one without a section harms nobody, should the machine stop here."""
        vault, kept_as = self.keys.vault, secret_name(name)
        before = await vault.get(kept_as) if key else None
        if key:
            await vault.set(kept_as, key)
        try:
            if name not in self.config.providers:
                values = {each: value for each in _WRITTEN if (value := getattr(section, each))}
                await self.settings.change({("providers", name): values}, who=who)
        except CarapaxError:
            if before:
                await vault.set(kept_as, before)
            elif key:
                await vault.remove(kept_as)
            raise
        await self._renew(name)

    async def _forget(self, name: str, *, kept: bool, force: bool, who: Actor) -> None:
        if name in self.config.providers:
            await self.settings.change({("providers", name): None}, who=who, force=force)
        if kept:
            await self.keys.vault.remove(secret_name(name))
        await self._renew(name)

    async def _renew(self, name: str) -> None:
        if self.live is not None:
            await self.live.renew(name)

    async def _recovered(self, name: str) -> None:
        """It answered, or is gone: its models need not cool down any longer."""
        if self.health is not None:
            for state in self.health.all():
                if state.provider == name:
                    await self.health.succeeded(name, state.model)

    def _users(self, name: str) -> Iterable[str]:
        for agent, config in self.config.agents.items():
            if _is_of(config.model, name):
                yield f"the agent {agent}"
        for chain, models in self.config.chains.items():
            if any(_is_of(model, name) for model in models):
                yield f"the chain {chain}"

    async def _not_removable(self, name: str) -> CarapaxError:
        vendor = vendors().get(name)
        source = await self.keys.source(name, vendor) if vendor else ""
        if source.startswith("$"):
            return Conflict(f"{name} is there because {source[1:]} is set", "unset it where the gateway is started")
        known = [status.name for status in await self.providers()]
        return NotFound(f"there is no provider {name!r}", did_you_mean(name, known) or f"there are: {', '.join(known)}")


def _check(addition: Addition) -> None:
    """Raise InvalidRequest for what cannot be written."""
    if not re.search(NAME, addition.name):
        raise InvalidRequest(
            f"{addition.name[:80]!r} is no name of a provider",
            "use 1 to 64 letters, digits, '-' and '_', beginning with a letter or digit",
        )
    if not re.search(ADDRESS, addition.base_url):
        raise InvalidRequest("base_url is no address", "expected one that begins with http:// or https://")
    if not re.search(VARIABLE, addition.key_env):
        raise InvalidRequest("key_env is no name of an environment variable", "the key itself goes into `key`")


_WRITTEN = ("vendor", "dialect", "base_url", "key_env", "default_model", "tools")


def _is_of(model: str, provider: str) -> bool:
    return model.partition("/")[0] == provider
