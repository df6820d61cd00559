"""Which model is meant by a name, and trying again when its vendor is busy or cannot be reached."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from carapax.clock import Clock
from carapax.config import ProviderConfig
from carapax.contracts import Provider, Spender
from carapax.errors import ModelBusy, ModelRejected, ModelUnavailable
from carapax.events import Delta, StreamReset
from carapax.http import Http
from carapax.messages import AssistantMessage, ModelInfo, ModelRequest
from carapax.models.catalogue import resolve, vendors
from carapax.models.detection import Detected, detect, first_for_talk
from carapax.models.opening import open_provider

AUTO = ("", "auto")


def parse_model(name: str) -> tuple[str, str]:
    """Part "provider/model" at its first slash; without one it is a provider, and its default model is meant."""
    provider, _, model = name.strip().partition("/")
    return provider, model


async def open_models(
    sections: Mapping[str, ProviderConfig],
    http: Http,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    local: Mapping[str, str] | None = None,
) -> "Models":
    """The models that are configured or can be found; `local` replaces the addresses tried on this machine.

    Raises ConfigError for a section that cannot be used.
    """
    return Models(sections, http, environ, clock, await detect(sections, environ, http, local=local))


class Models:
    """Every model that can be asked for. Each vendor's provider is opened once; what it is wrapped in is made anew for
    each run."""

    def __init__(
        self,
        sections: Mapping[str, ProviderConfig],
        http: Http,
        environ: Mapping[str, str],
        clock: Clock,
        detected: Detected,
    ) -> None:
        self._sections = sections
        self._http = http
        self._environ = environ
        self._clock = clock
        self._detected = detected
        self._providers: dict[str, Provider] = {}

    async def open(self, model: str, spender: Spender | None = None) -> tuple[Provider, str]:
        """The provider for "provider/model", "provider" or "auto", and the model's name there. What it costs is counted
        for the spender; without one it is not counted.

        Raises ConfigError for a provider that nobody knows, and a ModelError when its key is missing or it has no
        model.
        """
        name, wanted = self._choice(model)
        raw = self._raw(name)
        return self._composed(raw, spender), wanted or await _first_model(raw)

    def describe(self, model: str) -> tuple[str, str]:
        """What `open` would choose, as "provider/model", and a sentence why."""
        name, wanted = self._choice(model)
        why = self._detected.reason if model in AUTO else "chosen in the configuration"
        return f"{name}/{wanted}" if wanted else name, why

    def _raw(self, name: str) -> Provider:
        """The provider as its dialect makes it."""
        provider = self._providers.get(name)
        if provider is None:
            section = self._sections.get(name)
            provider = open_provider(name, section, self._http, self._environ, self._clock)
            self._providers[name] = provider
        return provider

    def _composed(self, provider: Provider, spender: Spender | None) -> Provider:
        """All that one candidate is wrapped in, innermost first."""
        provider = Retrying(provider, self._clock)
        return provider  # noqa: RET504 - each wrapper is a line of its own

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


class Retrying:
    """A provider that asks again after ModelBusy and ModelUnavailable, at most `tries` times in all.

    It waits `first_wait_s`, then twice as long each time, with up to half more by chance; longer if the vendor says so.
    It gives up, with the vendor's last error, when the next try would begin more than `budget_s` after the first
    failure. If something was streamed already, a StreamReset makes it void.
    """

    def __init__(
        self, provider: Provider, clock: Clock, *, tries: int = 3, budget_s: float = 4.0, first_wait_s: float = 0.5
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._tries = tries
        self._budget_s = budget_s
        self._first_wait_s = first_wait_s

    @property
    def name(self) -> str:
        return self._provider.name

    async def models(self) -> list[ModelInfo]:
        return await self._provider.models()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        give_up_at: float | None = None
        attempt = 0
        while True:
            attempt += 1
            shown = False
            try:
                async with aclosing(self._provider.stream(request)) as stream:
                    async for item in stream:
                        shown = True
                        yield item
                return
            except (ModelBusy, ModelUnavailable) as error:
                now = asyncio.get_running_loop().time()
                give_up_at = give_up_at or now + self._budget_s
                wait_s = self._wait_s(attempt, error.retry_after_s)
                if attempt >= self._tries or now + wait_s > give_up_at:
                    raise
                if shown:
                    yield StreamReset(f"{error.message}; trying again")
            await asyncio.sleep(wait_s)

    def _wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        backoff_s: float = self._first_wait_s * 2 ** (attempt - 1) * (1 + self._clock.random() / 2)
        return max(backoff_s, retry_after_s or 0.0)
