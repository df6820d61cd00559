"""The configuration as it is in force."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.redaction import MASK, encode, without_userinfo

_SECRET = re.compile(r"(token|secret|password|passwd|credential|api_?key|private_?key|authorization)$", re.IGNORECASE)


class Effective(Struct, frozen=True):
    """All settings, defaults filled in. Secrets are masked.

    config: as in `carapax.toml`
    """

    config: dict[str, Any]


@operation("config.get", scope="read", path="/api/config")
async def get(services: Services, params: Nothing) -> Effective:
    """Read the configuration in force, without secrets."""
    return Effective(
        {key: _masked(key, value) for key, value in msgspec.to_builtins(services.config, enc_hook=encode).items()}
    )


def _masked(key: str, value: object) -> object:
    match value:
        case dict():
            return {name: _masked(str(name), item) for name, item in value.items()}
        case list() | tuple():
            return [_masked(key, item) for item in value]
        case str() if value and _SECRET.search(key):
            return MASK
        case str():
            return without_userinfo(value)
    return value
