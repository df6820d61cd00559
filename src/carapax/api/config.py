"""The configuration: what is in force, what could be, and changing it while the gateway runs."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from carapax.api.fields import Name
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.configdoc import written
from carapax.configschema import TableInfo, tables
from carapax.errors import ConfigError, Conflict
from carapax.redaction import encode, masked
from carapax.settings import Change, Problem


class Effective(Struct, frozen=True):
    """All settings, defaults filled in. Secrets are masked.

    config: as in `carapax.toml`
    toml: the same as TOML
    given: as the file has it, without what is at its default
    """

    config: dict[str, Any]
    toml: str
    given: dict[str, Any]


class Schema(Struct, frozen=True):
    """What can be configured.

    tables: every table, with its keys
    """

    tables: list[TableInfo]


class Edit(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of one key, or of a whole table.

    path: the keys that lead to it, such as ["agents", "main", "effort"]
    value: its new value; null takes away what stands there
    """

    path: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    value: Any


class Edits(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes that are made together, or not at all.

    changes: one for each key or table
    seen: the digest of the file that they are meant for; empty for whatever it says now
    """

    changes: Annotated[tuple[Edit, ...], Meta(min_length=1, max_length=1000)]
    seen: Name = ""


class Standing(Struct, frozen=True):
    """How the file and what is in force stand to each other.

    file: where the file is
    digest: SHA-256 of what it said when it was last put in force; "none" without a file
    problem: why what it says now is not in force; null when it is
    restart: keys whose value in the file is in force only after a restart
    changes: who changed which key last
    """

    file: str
    digest: str
    problem: Problem | None
    restart: tuple[str, ...]
    changes: list[Change]


@operation("config.get", scope="read", path="/api/config")
async def get(services: Services, params: Nothing) -> Effective:
    """Read the configuration in force, without secrets."""
    shown = _shown(msgspec.to_builtins(services.config, enc_hook=encode))
    return Effective(shown, written(shown), _shown(services.settings.given()))


@operation("config.schema", scope="read", path="/api/config/schema")
async def schema(services: Services, params: Nothing) -> Schema:
    """Read which tables and keys the configuration can have, what they mean, and what they may be."""
    return Schema(list(tables(services.config)))


@operation("config.set", scope="admin", method="POST", path="/api/config", raises=(404, 409, 503, 507))
async def set_(services: Services, params: Edits) -> Standing:
    """Change carapax.toml, which keeps its comments, and have it in force. What does not fit is told of each key;
    then, or when something cannot be opened so, everything stays as it was. Secrets are not taken."""
    changes = {edit.path: edit.value for edit in params.changes}
    await services.settings.change(changes, who=services.caller.actor(), seen=params.seen)
    return await _standing(services)


@operation("config.status", scope="read", path="/api/config/status")
async def status(services: Services, params: Nothing) -> Standing:
    """Read whether carapax.toml is in force, what of it needs a restart, and who changed what last."""
    return await _standing(services)


@operation("config.reload", scope="admin", method="POST", path="/api/config/reload", raises=(409, 503))
async def reload(services: Services, params: Nothing) -> Standing:
    """Have in force what carapax.toml says now, without waiting until that is noticed."""
    try:
        await services.settings.reload()
    except ConfigError as error:
        raise Conflict(error.message, error.hint) from error
    return await _standing(services)


async def _standing(services: Services) -> Standing:
    settings = services.settings
    file, digest = str(settings.home.config_file), settings.source.digest
    return Standing(file, digest, settings.problem, settings.restart, await settings.changes())


def _shown(table: dict[str, Any]) -> dict[str, Any]:
    return {key: masked(key, value) for key, value in table.items()}
