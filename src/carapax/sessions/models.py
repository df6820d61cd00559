"""The models that are configured or were found, each opened when it is first asked for."""

from collections.abc import Mapping

from carapax.agent.models import Retrying, parse_model
from carapax.catalogue import Detected, open_provider, resolve
from carapax.clock import Clock
from carapax.config import ProviderConfig
from carapax.contracts import Provider
from carapax.errors import CarapaxError, ConfigError
from carapax.http import Http

AUTO = "auto"


class ConfiguredModels:
    """Models by "provider/model", by "provider" for its default model, or by "auto" for what was `detected`."""

    def __init__(
        self,
        providers: Mapping[str, ProviderConfig],
        detected: Detected,
        http: Http,
        environ: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._sections = providers
        self._detected = detected
        self._http = http
        self._environ = environ
        self._clock = clock
        self._open: dict[str, Provider] = {}

    async def open(self, model: str) -> tuple[Provider, str]:
        """The provider, asked again when it is busy, and the model's name there.

        Raises ConfigError for an unknown provider or a model that is not named, ModelUnauthorized without a key.
        """
        provider, name = self._choose(model)
        if not name:
            raise ConfigError(f"{model!r} names no model, and {provider} has no default", f'say "{provider}/MODEL"')
        if provider not in self._open:
            section = self._sections.get(provider)
            opened = open_provider(provider, section, self._http, self._environ, self._clock)
            self._open[provider] = Retrying(opened, self._clock)
        return self._open[provider], name

    def describe(self, model: str) -> tuple[str, str]:
        """What `open` would choose, as "provider/model", and a sentence why."""
        try:
            provider, name = self._choose(model)
        except CarapaxError as error:
            return model, str(error)
        reason = self._detected.reason if model in ("", AUTO) else "the configuration names it"
        return f"{provider}/{name}", reason

    def _choose(self, model: str) -> tuple[str, str]:
        if model in ("", AUTO):
            return self._detected.provider, self._detected.model
        provider, name = parse_model(model)
        return provider, name or resolve(provider, self._sections.get(provider)).default_model
