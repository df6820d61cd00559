"""Which provider is used when nobody chose: what is configured, whose key is there, or which server answers."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from carapax.config import ProviderConfig
from carapax.errors import Unavailable
from carapax.http import Http
from carapax.models.catalogue import Vendor, resolve, vendors
from carapax.models.keys import VAULT, Keys
from carapax.models.server import endpoint

OFFLINE = "demo"
_PROBE_S = 2.0  # a busy machine takes its time; where nobody listens, the answer comes at once
_OTHER_MODELS = re.compile(r"embed|rerank|whisper|tts|bge-", re.I)


class Detected(Struct, frozen=True):
    """What is used when nobody chose: a provider, its model, and a sentence that says why."""

    provider: str
    model: str
    reason: str


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


async def detect(
    sections: Mapping[str, ProviderConfig],
    keys: Keys,
    http: Http,
    *,
    local: Mapping[str, str] | None = None,
) -> Detected:
    """Choose a provider: the first that is configured and has its key, or a login, which may be in places of its own;
    else the first vendor whose key is in the vault or the environment, else the first local server that answers with a
    model, else the offline demo.

    `local` replaces the addresses that are tried, by vendor. Raises ConfigError for a section that
    cannot be used, and what the vault raises.
    """
    for name, section in list(sections.items()):
        vendor = resolve(name, section)
        if not vendor.dialect:
            continue
        if vendor.login or not needs_key(vendor) or await keys.source(name, vendor, section):
            return Detected(name, vendor.default_model, f"[providers.{name}] is configured")
    for name, vendor in vendors().items():
        if needs_key(vendor) and vendor.dialect and (source := await keys.source(name, vendor)):
            return Detected(name, vendor.default_model, _why(source))
    if local is None:
        local = {name: vendor.base_url for name, vendor in vendors().items() if vendor.local}
    async with asyncio.TaskGroup() as group:
        probes = {name: group.create_task(_first_model(base_url, http)) for name, base_url in local.items()}
    for name, probe in probes.items():
        if model := probe.result():
            return Detected(name, model, f"{name} answers at {local[name]}")
    reason = "no key of a vendor is in the vault or the environment and no local model server answers"
    return Detected(OFFLINE, vendors()[OFFLINE].default_model, reason)


def needs_key(vendor: Vendor) -> bool:
    """Whether a vendor answers only who has a key or a login."""
    return not vendor.local and bool(vendor.key_env or vendor.login)


def _why(source: str) -> str:
    if source.startswith("$"):
        return f"{source[1:]} is set"
    return f"its key is in the {source}" if source == VAULT else f"there is a {source.replace(':', ' with ')}"


async def _first_model(base_url: str, http: Http) -> str:
    """The first model for conversation that a server has; empty when there is none, or no such server."""
    if not await _listens(base_url):
        return ""
    try:
        async with (
            asyncio.timeout(_PROBE_S),
            http.request("GET", endpoint(base_url, "/models"), connect_timeout_s=_PROBE_S) as response,
        ):
            if response.status != 200:
                return ""
            models = msgspec.json.decode(await response.read(1 << 20), type=_Models).data
    except (Unavailable, TimeoutError, msgspec.DecodeError):
        return ""
    return first_for_talk(model.id for model in models)


async def _listens(base_url: str) -> bool:
    """Whether anybody is there at all, as seldom is: cheaper to ask than over HTTP."""
    place = urlsplit(base_url)
    try:
        async with asyncio.timeout(_PROBE_S):
            _, writer = await asyncio.open_connection(place.hostname, place.port or 80)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def first_for_talk(names: Iterable[str]) -> str:
    """The first model that is not one for embeddings or speech, going by its name; empty when there is none."""
    return next((name for name in names if not _OTHER_MODELS.search(name)), "")
