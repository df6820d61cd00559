"""The configuration as it is in force."""

from typing import Any

import msgspec
from msgspec import Struct

from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.redaction import encode, masked


class Effective(Struct, frozen=True):
    """All settings, defaults filled in. Secrets are masked.

    config: as in `carapax.toml`
    """

    config: dict[str, Any]


@operation("config.get", scope="read", path="/api/config")
async def get(services: Services, params: Nothing) -> Effective:
    """Read the configuration in force, without secrets."""
    return Effective(
        {key: masked(key, value) for key, value in msgspec.to_builtins(services.config, enc_hook=encode).items()}
    )
