"""How a vendor becomes a Provider, an Embedder or a Searcher that can be asked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from carapax.clock import Clock
from carapax.config import ProviderConfig
from carapax.contracts import Embedder, Provider, Searcher
from carapax.errors import ConfigError
from carapax.extensions import Kind, configure, export, find
from carapax.http import Http
from carapax.models.catalogue import Vendor, address, resolve, vendors
from carapax.models.credential import Credentials, Fixed
from carapax.models.keys import Keys
from carapax.models.server import Server


async def open_provider(
    name: str,
    section: ProviderConfig | None,
    http: Http,
    keys: Keys,
    clock: Clock,
    *,
    credentials: Credentials | None = None,
) -> Provider:
    """The provider of this name, of the catalogue or of the configuration; `credentials` take the place of its key.

    Raises ConfigError for what cannot be used, ModelUnauthorized when its key is nowhere, and what the vault raises.
    """
    vendor = resolve(name, section)
    if not vendor.dialect:
        has = "embeddings" if vendor.embedding else "a web search"
        raise ConfigError(f"{name} has {has}, and no models to talk to")
    opening: Callable[[Server], Provider] = _configured("provider", name, vendor.dialect, vendor.accent)
    credentials = credentials or await open_credentials(name, vendor, section, http, keys, clock)
    return opening(_server(name, vendor, section, http, keys, clock, credentials))


async def open_embedder(
    name: str,
    section: ProviderConfig | None,
    http: Http,
    keys: Keys,
    clock: Clock,
    *,
    credentials: Credentials | None = None,
) -> Embedder:
    """The embedder of the provider of this name, likewise."""
    vendor = resolve(name, section)
    if not vendor.embedding:
        able = ", ".join(known for known, row in vendors().items() if row.embedding)
        raise ConfigError(f"{name} has no embeddings that can be asked for", f"these have: {able}")
    opening: Callable[[Server], Embedder] = _configured("embedder", name, vendor.embedding, vendor.embedding_accent)
    credentials = credentials or await open_credentials(name, vendor, section, http, keys, clock)
    return opening(_server(name, vendor, section, http, keys, clock, credentials))


async def open_searcher(
    name: str,
    section: ProviderConfig | None,
    http: Http,
    keys: Keys,
    clock: Clock,
    *,
    credentials: Credentials | None = None,
) -> Searcher:
    """The searcher of the provider of this name, likewise."""
    vendor = resolve(name, section)
    if not vendor.search:
        able = ", ".join(known for known, row in vendors().items() if row.search)
        raise ConfigError(f"{name} does not search the web", f"these do: {able}")
    opening: Callable[[Server], Searcher] = _configured("searcher", name, vendor.search, vendor.accent)
    credentials = credentials or await open_credentials(name, vendor, section, http, keys, clock)
    return opening(_server(name, vendor, section, http, keys, clock, credentials))


def _configured(kind: Kind, name: str, extension: str, accent: dict[str, Any]) -> Callable[[Server], Any]:
    """What opens an extension on a server. Raises ConfigError for one that is not there or does not take the accent."""
    module = find(kind, extension)
    return partial(export(kind, name, module), configure(kind, name, module, accent))


def _server(
    name: str,
    vendor: Vendor,
    section: ProviderConfig | None,
    http: Http,
    keys: Keys,
    clock: Clock,
    credentials: Credentials,
) -> Server:
    told = section or ProviderConfig()
    return Server(
        name,
        http,
        clock,
        address(name, vendor, keys.environ),
        vendor.default_model,
        credentials,
        told.connect_timeout_s,
        told.idle_timeout_s,
    )


async def open_credentials(
    name: str, vendor: Vendor, section: ProviderConfig | None, http: Http, keys: Keys, clock: Clock
) -> Credentials:
    """What a provider is asked with: its key if there is one, else its vendor's login. Raises as `open_provider`."""
    if vendor.login and await keys.find(name, vendor, section) is None:
        login = export("login", vendor.login, find("login", vendor.login))
        credentials: Credentials = login(keys.vault, http, clock, keys.environ, Path.home())
        return credentials
    return Fixed(await keys.require(name, vendor, section))
