"""The table of facts and prices of models, as https://models.dev/api.json publishes it, and how a model is found in it.

A model is found by its whole name only, however that is spelt: a name that merely begins alike is another model.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from carapax.errors import InvalidRequest
from carapax.models.price import Price, price

_DATE = re.compile(r"[-@](20\d{6}|20\d\d-\d\d-\d\d)$")
_LATEST = re.compile(r"[-@](latest|default)$")
_REGION = re.compile(r"(us|us-gov|eu|apac|au|jp|ca|global)\.(?=\w+\.)")
BROKEN = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_SAME_PRICE = frozenset({"extended", "thinking", "exacto", "beta"})
"""What may follow a model's name at a colon without a price of its own."""


_MOST_USD = 1e6
"""For a million tokens; what says more says nothing."""
_MOST_TOKENS = 1e9


class _Rates(Struct):
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None

    def price(self, longer: tuple[tuple[int, Price], ...] = ()) -> Price | None:
        told = [rate for rate in (self.input, self.output, self.cache_read, self.cache_write, self.reasoning) if rate]
        if self.input is None or self.output is None or not all(0 < rate <= _MOST_USD for rate in told):
            return None
        return price(self.input, self.output, self.cache_read, self.cache_write, self.reasoning, longer)


class _Condition(Struct):
    size: int
    type: str = "context"


class _Tier(_Rates):
    tier: _Condition | None = None


class _Cost(_Rates):
    tiers: list[_Tier] = []


class _Limit(Struct, frozen=True):
    context: float | None = None
    output: float | None = None


class _Modalities(Struct, frozen=True):
    input: tuple[str, ...] = ()


class _Model(Struct):
    cost: _Cost | None = None
    limit: _Limit = _Limit()
    modalities: _Modalities = _Modalities()
    reasoning: bool | None = None


class _Vendor(Struct):
    models: dict[str, Raw]


class Row(Struct, frozen=True, gc=False):
    """What the table says of a model; 0 tokens where it does not say. `price` is None where it is not known."""

    context_tokens: int
    output_tokens: int
    images: bool
    documents: bool
    reasoning: bool | None
    price: Price | None


class Table:
    """The models of vendors, each vendor's read from the bytes when it is asked for first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._vendors: dict[str, dict[str, Row]] = {}

    def find(self, vendor: str, model: str) -> Row | None:
        """The row of a model, however its name is spelt; None when there is none. Raises InvalidRequest for a file that
        is no table, OSError for one that cannot be read."""
        rows = self._vendors.get(vendor)
        if rows is None:
            raw = _vendors(read(self.path)).get(vendor)
            rows = self._vendors[vendor] = _rows(_models(raw)) if raw is not None else {}
        return _find(rows, model)


def count(data: bytes) -> int:
    """How many models a table has of which something can be read. Raises InvalidRequest for what is no table."""
    return sum(len(_rows(_models(raw))) for raw in _vendors(data).values())


def read(path: Path) -> bytes:
    """The bytes of a table, which may be packed. Raises InvalidRequest, OSError."""
    data = path.read_bytes()
    try:
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error) as error:
        raise InvalidRequest(f"{path} is damaged: {error}") from error


def _vendors(data: bytes) -> Mapping[str, Raw]:
    try:
        return msgspec.json.decode(data, type=dict[str, Raw])
    except BROKEN as error:
        raise InvalidRequest(f"this is no table of models: {error}") from error


def _models(raw: Raw) -> Mapping[str, Raw]:
    try:
        return msgspec.json.decode(raw, type=_Vendor).models
    except BROKEN as error:
        raise InvalidRequest(f"this is no table of models: {error}") from error


def _rows(models: Mapping[str, Raw]) -> dict[str, Row]:
    """By the names in lower case. A model of which nothing can be read is left out."""
    rows: dict[str, Row] = {}
    for name, described in models.items():
        try:
            rows[name.lower()] = _row(msgspec.json.decode(described, type=_Model))
        except BROKEN:
            continue
    return rows


def _row(model: _Model) -> Row:
    takes = model.modalities.input
    return Row(
        _tokens(model.limit.context),
        _tokens(model.limit.output),
        "image" in takes,
        "pdf" in takes,
        model.reasoning,
        _price(model.cost) if model.cost else None,
    )


def _tokens(count: float | None) -> int:
    return int(count) if count and 0 < count <= _MOST_TOKENS else 0


def _price(cost: _Cost) -> Price | None:
    longer = [
        (tier.tier.size, found)
        for tier in cost.tiers
        if tier.tier and tier.tier.type == "context" and (found := tier.price())
    ]
    return cost.price(tuple(sorted(longer, key=lambda tier: tier[0], reverse=True)))


def _find(rows: Mapping[str, Row], model: str) -> Row | None:
    name = model.strip().lower().removeprefix("models/")
    if name.startswith("arn:"):
        name = name.rpartition("/")[2]
    if row := _spelt(rows, name):
        return row
    base, _, suffix = name.rpartition(":")
    row = _spelt(rows, base) if base else None
    if row is None or suffix in _SAME_PRICE or suffix.isdigit():
        return row
    return msgspec.structs.replace(row, price=price(0, 0) if suffix == "free" else None)


def _spelt(rows: Mapping[str, Row], name: str) -> Row | None:
    """A row by any spelling of the name, by its name without or with the organisation before it, or the newest of its
    dated versions."""
    names = list(_spellings(name))
    for spelling in [*names, *(each.rpartition("/")[2] for each in names)]:
        if spelling in rows:
            return rows[spelling]
    with_organisation = [known for known in rows if "/" in known and known.rpartition("/")[2] in names]
    if len(with_organisation) == 1:
        return rows[with_organisation[0]]
    dated = [known for known in rows if _DATE.sub("", known) == name]
    return rows[max(dated)] if dated else None


def _spellings(name: str) -> Iterator[str]:
    for each in dict.fromkeys((name, _REGION.sub("", name, count=1))):
        yield each
        plain = _LATEST.sub("", _DATE.sub("", each))
        if plain != each:
            yield plain
        if not _DATE.search(each):
            yield f"{plain}-latest"
