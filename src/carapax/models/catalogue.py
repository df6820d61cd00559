"""The vendors of models that are known by name."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from carapax.config import ProviderConfig
from carapax.errors import ConfigError
from carapax.extensions import find
from carapax.redaction import without_userinfo

_EMBEDDINGS = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "ollama": "ollama",
    "gemini": "gemini",
    "cohere": "cohere",
    "bedrock": "bedrock",
}
"""The embedder that a server of one's own speaks with, by its dialect."""


class Vendor(Struct, frozen=True, forbid_unknown_fields=True):
    """One row: which dialect is spoken where, and with which `accent`, fields of that dialect's own Config.

    `key_env` names the variable that holds the key, `login` the login that takes its place. `base_url_env` names the
    variable that says where the server is, before `base_url`, which may have a `{place}` to be filled. A `local` server
    is looked for on this machine and needs no key; its model is the first that it has. `tools` says how its models
    call tools, `facts` under which name its models are known to the facts when that is not its own, `embedding` which
    embedder speaks its language, with `default_embedding` as its model and fields of that embedder's Config in
    `embedding_accent`, `search` which searcher. Without a `dialect` it has no models to talk to, but only embeddings or
    a web search. `note` is what a person should know of it.
    """

    dialect: str = ""
    base_url: str = ""
    base_url_env: str = ""
    key_env: str = ""
    login: str = ""
    default_model: str = ""
    local: bool = False
    tools: Literal["native", "text", "off"] = "native"
    facts: str = ""
    embedding: str = ""
    default_embedding: str = ""
    embedding_accent: dict[str, Any] = {}
    search: str = ""
    note: str = ""
    accent: dict[str, Any] = {}


@cache
def vendors() -> Mapping[str, Vendor]:
    """The rows of `vendors.toml` by name, in its order. One that is `like` another says only what is different."""
    rows = tomllib.loads(Path(__file__).with_name("vendors.toml").read_text())
    for name, row in rows.items():
        if "like" in row:
            model = rows[row.pop("like")]
            rows[name] = {**model, **row, "accent": {**model.get("accent", {}), **row.get("accent", {})}}
    return msgspec.convert(rows, dict[str, Vendor])


def speaker(vendor: Vendor) -> ModuleType:
    """The module that speaks with a vendor: its dialect, without one its searcher or its embedder. Raises ConfigError
    for one that nobody has."""
    if vendor.dialect:
        return find("provider", vendor.dialect)
    return find("searcher", vendor.search) if vendor.search else find("embedder", vendor.embedding)


def resolve(name: str, section: ProviderConfig | None) -> Vendor:
    """The row of a vendor with what its section of the configuration says differently.

    A section that names no vendor has the one of its own name, if there is one. Raises ConfigError for a name that is
    neither in the catalogue nor configured, and for a section that does not say where its server is.
    """
    known = section.vendor if section and section.vendor else name
    row = vendors().get(known)
    if section is None:
        if row is None:
            raise _unknown(name, f"there is no provider {name!r}")
        return row
    if row is None:
        if section.vendor:
            raise _unknown(section.vendor, f"[providers.{name}]: there is no vendor {section.vendor!r}")
        dialect = section.dialect or "openai_chat"
        row = Vendor(dialect, embedding=_EMBEDDINGS.get(dialect, ""))
        if not section.base_url:
            raise ConfigError(f"[providers.{name}] does not say where its server is", "set its base_url or its vendor")
    told = ("dialect", "base_url", "key_env", "default_model", "tools")
    changes = {field: value for field in told if (value := getattr(section, field))}
    own = section.dialect in ("", row.dialect)
    changes["accent"] = {**row.accent, **section.accent} if own else section.accent
    if section.base_url:
        changes["base_url"] = _completed(section.base_url, row.base_url if own else "")
        changes["base_url_env"] = ""
    return msgspec.structs.replace(row, **changes)


def address(name: str, vendor: Vendor, environ: Mapping[str, str]) -> str:
    """Where the server of a vendor is, by the environment or its row. Raises ConfigError when nobody told. A `{region}`
    is left to the credential when the environment names none."""
    told = environ.get(vendor.base_url_env, "").strip() if vendor.base_url_env else ""
    url = _completed(told, vendor.base_url) if told else vendor.base_url
    if "{resource}" in url:
        raise ConfigError(
            f"where the server of {name} is, is not known",
            f"set {vendor.base_url_env}, or base_url in [providers.{name}]",
        )
    region = environ.get("AWS_REGION", "").strip() or environ.get("AWS_DEFAULT_REGION", "").strip()
    return url.replace("{region}", region) if re.fullmatch(r"[a-z0-9-]+", region) else url


def _completed(given: str, known: str) -> str:
    """An address with the path of the row's, where it has only the beginning of that or none. Raises ConfigError."""
    try:
        parts, path = urlsplit(given.strip()), urlsplit(known).path.rstrip("/")
    except ValueError:
        raise ConfigError(f"{without_userinfo(given)!r} is not an address", "check the base_url") from None
    begun = f"{path}/".startswith(parts.path.rstrip("/") + "/")
    return urlunsplit(parts._replace(path=path)) if begun else given


def _unknown(name: str, what: str) -> ConfigError:
    close = get_close_matches(name, vendors(), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(vendors())}; or set a base_url"
    return ConfigError(what, hint)
