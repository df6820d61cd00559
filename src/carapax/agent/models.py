"""Which model is meant by a name, and all that it is wrapped in."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal

from carapax.agent.attached import Attached, Read
from carapax.agent.fallback import Candidate, Fallback
from carapax.agent.health import Health, Watched
from carapax.agent.metered import Metered, MeteredEmbedder
from carapax.agent.observed import Observed
from carapax.agent.retrying import Retrying
from carapax.agent.suggesting import Suggesting
from carapax.agent.texttools import NoTools, TextTools
from carapax.clock import Clock
from carapax.config import Config, ProviderConfig
from carapax.contracts import Embedder, Ledger, Provider, Searcher, Spender
from carapax.errors import ModelError, ModelRejected, NotFound
from carapax.http import Http
from carapax.models.catalogue import resolve, vendors
from carapax.models.closest import did_you_mean
from carapax.models.detection import OFFLINE, Detected, detect, first_for_talk
from carapax.models.facts import CONTEXT_TOKENS, FactBook
from carapax.models.keys import Keys
from carapax.models.opening import open_embedder, open_provider
from carapax.models.search import choose
from carapax.telemetry.calls import Calls

AUTO = ("", "auto")
_ASK_S = 2.0
SHORT_S, LONG_S = 10.0, 300.0
"""How long a model may take to fail and still be asked again: with others waiting to be asked, and without."""


def parse_model(name: str) -> tuple[str, str]:
    """Part "provider/model" at its first slash; without one it is a provider, and its default model is meant."""
    provider, _, model = name.strip().partition("/")
    return provider, model


@dataclass(frozen=True, slots=True)
class Means:
    """What models are asked with: the way to their servers, their keys, what is known of them, who counts what they
    cost (None: nobody), where files of messages are read (None: nowhere), and who hears of each call (None: nobody)."""

    http: Http
    keys: Keys
    clock: Clock
    health: Health
    facts: FactBook
    ledger: Ledger | None = None
    read: Read | None = None
    told: Calls | None = None


async def open_models(config: Config, means: Means, *, local: Mapping[str, str] | None = None) -> "Models":
    """The models that are configured or can be found; `local` replaces the addresses tried on this machine.

    Raises ConfigError for a section that cannot be used.
    """
    detected = await detect(config.providers, means.keys, means.http, local=local)
    searcher = await choose(config.providers, means.http, means.keys, means.clock)
    return Models(config.providers, config.chains, means, detected, searcher, local)


class Models:
    """Every model that can be asked for. Each vendor's provider is opened once; what it is wrapped in is made anew for
    each run."""

    def __init__(
        self,
        sections: Mapping[str, ProviderConfig],
        chains: Mapping[str, Sequence[str]],
        means: Means,
        detected: Detected,
        searcher: Searcher | None = None,
        local: Mapping[str, str] | None = None,
    ) -> None:
        self._sections: Mapping[str, ProviderConfig] = dict(sections)
        self._chains = chains
        self._means = means
        self._detected = detected
        self._searcher = searcher
        self._local = local
        self._providers: dict[str, Provider] = {}
        self._changes = 0
        self._embedders: dict[str, Embedder] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    async def open(self, model: str, spender: Spender | None = None) -> tuple[Provider, str]:
        """The provider for "provider/model", "provider", "auto" or a chain's name, and the model's name there. What it
        costs is counted for the spender; without one it is not counted.

        Raises ConfigError for a provider that nobody knows, and a ModelError when its key is missing or it has no
        model; a chain is opened in any case, and tells it when it is asked.
        """
        if chain := self._chains.get(model):
            return Fallback(model, [self._candidate(name, spender) for name in chain], self._means.health), model
        return await self._open(model, spender, LONG_S)

    async def embedder(self, model: str, spender: Spender | None = None) -> tuple[Embedder, str]:
        """The embedder for "provider/model" or "provider", and the model's name there. What it costs is counted for the
        spender; without one it is not counted.

        Raises ConfigError for a provider that nobody knows or that has no embeddings, and a ModelError when its key is
        missing or it must be told which model is meant.
        """
        name, wanted = parse_model(model)
        section = self._sections.get(name)
        wanted = wanted or resolve(name, section).default_embedding
        embedder, changes = self._embedders.get(name), self._changes
        if embedder is None:
            embedder = await open_embedder(name, section, self._means.http, self._means.keys, self._means.clock)
            if changes == self._changes:
                self._embedders[name] = embedder
        if not wanted:
            raise ModelRejected(f"{name} has no model of its own for embeddings", f"name one: {name}/...", vendor=name)
        if spender is not None and self._means.ledger is not None:
            return MeteredEmbedder(embedder, spender, self._means.ledger, self._means.facts), wanted
        return embedder, wanted

    def searcher(self) -> Searcher | None:
        """What searches the web; None when no vendor of searches is configured or has its key."""
        return self._searcher

    def check(self, model: str) -> None:
        """Raises NotFound, with what was probably meant, for a name that begins with no provider and is no chain."""
        name, _ = parse_model(model)
        known = [*self._chains, *self._sections, *vendors()]
        if model not in AUTO and model not in self._chains and name not in [*self._sections, *vendors()]:
            hint = did_you_mean(name, known) or 'models are named "provider/model"'
            raise NotFound(f"there is no provider {name!r}", hint)

    def describe(self, model: str) -> tuple[str, str]:
        """What `open` would choose, as "provider/model" or a chain's name, and a sentence why."""
        if chain := self._chains.get(model):
            return model, f"the chain {', then '.join(chain)}"
        name, wanted = self._choice(model)
        why = self._detected.reason if model in AUTO else "chosen in the configuration"
        return f"{name}/{wanted}" if wanted else name, why

    async def reopen(self, config: Config, undo: AsyncExitStack) -> Callable[[], None]:
        """Other providers and chains from the next run on. Raises what `open_models` does."""
        sections, known = config.providers, self._sections
        changed = {name for name in {*known, *sections} if known.get(name) != sections.get(name)}
        found = await self._look(sections) if changed else None

        def switch() -> None:
            self._sections, self._chains = dict(sections), config.chains
            self._forget(changed)
            if found:
                self._detected, self._searcher = found

        return switch

    async def renew(self, name: str) -> None:
        """A provider has another key from the next run on, or none. Raises what `open_models` does."""
        self._forget({name})
        self._detected, self._searcher = await self._look(self._sections)

    def detected(self) -> Detected:
        """What is used when nobody chose."""
        return self._detected

    async def look_again(self) -> None:
        """Take who answers by now, from the next run on, while only the offline demo did. Raises what the vault
        raises."""
        sections = self._sections
        if self._detected.provider == OFFLINE:
            found = await self._look(sections)
            if sections is self._sections:
                self._detected, self._searcher = found

    def _forget(self, names: Collection[str]) -> None:
        """Open these anew when they are next asked for."""
        self._changes += 1
        self._sizes.clear()
        for name in names:
            self._providers.pop(name, None)
            self._embedders.pop(name, None)

    async def _look(self, sections: Mapping[str, ProviderConfig]) -> tuple[Detected, Searcher | None]:
        """What is used when nobody chose, and what searches the web."""
        means = self._means
        return (
            await detect(sections, means.keys, means.http, local=self._local),
            await choose(sections, means.http, means.keys, means.clock),
        )

    async def context_tokens(self, model: str) -> int:
        """How many tokens may be sent to what `open` would choose; of a chain, to any of its models."""
        names = self._chains.get(model) or (model,)
        return min([await self._context(*self._choice(name)) for name in names])

    async def _context(self, name: str, model: str) -> int:
        """As is known, or for a model that only its server on this machine knows, as that says."""
        facts, section = self._means.facts.of(name, model), self._sections.get(name)
        is_guess = facts.context_tokens == CONTEXT_TOKENS and (section or name in vendors())
        if not is_guess or not resolve(name, section).local:
            return facts.context_tokens
        if (name, model) not in self._sizes:
            self._sizes[name, model] = await self._told(name, model)
        return self._sizes[name, model] or facts.context_tokens

    async def _told(self, name: str, model: str) -> int:
        """What a server says of a model's context; 0 when it says nothing."""
        try:
            async with asyncio.timeout(_ASK_S):
                sizes = {info.name: info.context_tokens for info in await (await self._raw(name)).models()}
        except (ModelError, TimeoutError):
            return 0
        return sizes.get(model or first_for_talk(sizes), 0)

    def _candidate(self, model: str, spender: Spender | None) -> Candidate:
        name, wanted = self._choice(model)
        facts = self._means.facts.of(name, wanted)
        opening = partial(self._open, model, spender, SHORT_S)
        return Candidate(name, wanted, opening, facts.context_tokens if facts.known else 0)

    async def _open(self, model: str, spender: Spender | None, patience_s: float) -> tuple[Provider, str]:
        name, wanted = self._choice(model)
        raw = await self._raw(name)
        return self._composed(name, raw, spender, patience_s), wanted or await _first_model(raw)

    async def _raw(self, name: str) -> Provider:
        """The provider as its dialect makes it."""
        provider = self._providers.get(name)
        if provider is None:
            section, changes = self._sections.get(name), self._changes
            provider = await open_provider(name, section, self._means.http, self._means.keys, self._means.clock)
            if changes == self._changes:  # else it may have been opened with what is changed by now
                self._providers[name] = provider
        return provider

    def _composed(self, name: str, provider: Provider, spender: Spender | None, patience_s: float) -> Provider:
        """All that one candidate is wrapped in, innermost first."""
        provider = Suggesting(provider)
        tools = resolve(name, self._sections.get(name)).tools
        if tools == "text":
            provider = TextTools(provider, self._means.clock)
        if tools == "off":
            provider = NoTools(provider)
        if self._means.read is not None:
            provider = Attached(provider, self._means.read, partial(self._takes, name))
        if spender is not None and self._means.ledger is not None:
            provider = Metered(provider, spender, self._means.ledger, self._means.facts)
        if spender is not None and self._means.told is not None:
            provider = Observed(provider, spender, self._means.clock, self._means.told)
        provider = Retrying(provider, self._means.clock, patience_s=patience_s)
        provider = Watched(provider, self._means.health, self._means.clock)
        return provider  # noqa: RET504 - each wrapper is a line of its own

    def _takes(self, name: str, model: str, kind: Literal["images", "documents"]) -> bool | None:
        facts = self._means.facts.of(name, model)
        return facts.images if kind == "images" else facts.documents

    def _choice(self, model: str) -> tuple[str, str]:
        if model in AUTO:
            return self._detected.provider, self._detected.model
        name, wanted = parse_model(model)
        if not wanted and (name in self._sections or name in vendors()):
            wanted = resolve(name, self._sections.get(name)).default_model
        return name, wanted


async def _first_model(provider: Provider) -> str:
    found = first_for_talk(model.name for model in await provider.models())
    if not found:
        raise ModelRejected(f"{provider.name} has no model", "load one there, or name another", vendor=provider.name)
    return found
