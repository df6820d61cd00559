"""What is told of providers and of what they offer, and what is asked of one that is to be added."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from carapax.models.catalogue import Vendor, vendors
from carapax.redaction import Secret
from carapax.store.health import State

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
ADDRESS = r"^(https?://[!-.0-~][!-~]*)?$"
VARIABLE = r"^([A-Za-z_][A-Za-z0-9_]*)?$"
Line = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Standing = Literal["configured", "key", "detected"]


class ProviderStatus(Struct, frozen=True):
    """A provider that can be asked.

    name: what models are named by: "name/model"
    vendor: its vendor in the catalogue; empty for a server of your own
    dialect: the language its server speaks; empty for one that has only embeddings or searches the web
    base_url: where that is
    default_model: the model when none is named; empty for the first that it has
    key: where its key is: "vault", "carapax.toml", "$VARIABLE" or "login:NAME"; empty for none
    needs_key: whether it answers only who has one
    local: whether it is a server of this machine
    standing: why it is here: it is "configured", its "key" is there, or it was "detected"
    health: its models that failed lately and did not answer since
    """

    name: str
    vendor: str
    dialect: str
    base_url: str
    default_model: str
    key: str
    needs_key: bool
    local: bool
    standing: Standing
    health: tuple[State, ...] = ()


class Known(Struct, frozen=True):
    """A vendor of the catalogue.

    name: its name
    key_env: the variable that may hold its key; empty for none
    login: the login that takes the place of a key; empty for none
    local: whether it is a server of this machine
    talks: whether it has models for conversation; others search the web, or make embeddings only
    note: what is good to know of it
    """

    name: str
    key_env: str
    login: str
    local: bool
    talks: bool
    note: str


class Addition(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider to be added, or the new key of one.

    name: what it is called here: 1 to 64 letters, digits, "-" and "_"
    vendor: its vendor in the catalogue; empty for the one of its own name, or a server of your own
    dialect: the language its server speaks, where that is not its vendor's
    base_url: where its server is, where that is not its vendor's
    key: its key, which goes into the vault; empty to use the environment, or none
    key_env: the environment variable that holds the key instead
    default_model: the model when none is named
    tools: how its models call tools, where that is not as its vendor's do
    check: ask it first, and keep nothing when it does not answer
    """

    name: Annotated[str, Meta(extra_json_schema={"pattern": NAME})]
    vendor: Line = ""
    dialect: Line = ""
    base_url: Annotated[str, Meta(max_length=500, extra_json_schema={"pattern": ADDRESS})] = ""
    key: Secret = msgspec.field(default_factory=lambda: Secret(""))
    key_env: Annotated[str, Meta(max_length=200, extra_json_schema={"pattern": VARIABLE})] = ""
    default_model: Line = ""
    tools: Literal["", "native", "text", "off"] = ""
    check: bool = True


class Offer(Struct, frozen=True):
    """A model of a provider, and what is known of it.

    provider: the provider's name
    model: the model's name there
    context_tokens: how much it can read and write in one request
    output_tokens: its longest answer
    images: whether it takes images; null when that is not known
    documents: whether it takes documents; null when that is not known
    reasoning: whether it can think; null when that is not known
    input_usd: US dollars for a million tokens of the prompt; null when that is not known
    output_usd: US dollars for a million tokens of the answer; null when that is not known
    known: whether this is known, and not guessed
    """

    provider: str
    model: str
    context_tokens: int
    output_tokens: int
    images: bool | None
    documents: bool | None
    reasoning: bool | None
    input_usd: float | None
    output_usd: float | None
    known: bool


class Silent(Struct, frozen=True):
    """A provider that did not say what it has, or says more than is told.

    provider: its name
    error: why, and what to do
    """

    provider: str
    error: str


def catalogue() -> list[Known]:
    """The vendors that can be added by their names."""
    listed: Mapping[str, Vendor] = {name: row for name, row in vendors().items() if row.dialect != "demo"}
    return [Known(name, row.key_env, row.login, row.local, bool(row.dialect), row.note) for name, row in listed.items()]
