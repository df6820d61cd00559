"""Secrets: what the vault keeps. They go in, and are changed and removed; no operation gives one out."""

from msgspec import Struct

from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.contracts import KeptSecret
from carapax.redaction import Secret


class Use(Struct, frozen=True):
    """A secret that agents use under another name.

    secret: its name in the vault, which may have none of it yet
    credential: the name by which agents have it
    agents: which agents
    hosts: where it may be sent
    env: the variable in which commands get it; empty for none
    """

    secret: str
    credential: str
    agents: tuple[str, ...]
    hosts: tuple[str, ...]
    env: str


class Secrets(Struct, frozen=True):
    """What may be told of the secrets.

    secrets: by name, none with its value
    uses: who may use which
    """

    secrets: list[KeptSecret]
    uses: list[Use]


class Keep(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret to keep, in place of one of that name.

    name: 1 to 200 letters, digits and `.:_/-`; "provider:NAME" is the key of a provider
    value: 1 to 65,536 bytes
    """

    name: Identifier
    value: Secret


class Forget(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret to forget.

    name: its name
    """

    name: Identifier


class Forgotten(Struct, frozen=True):
    """The secret that is gone.

    name: its name
    """

    name: str


@operation("secret.list", scope="admin", path="/api/secrets")
async def list_(services: Services, params: Nothing) -> Secrets:
    """List the secrets by name, without their values."""
    uses = [
        Use(section.secret or name, name, section.agents, section.hosts, section.env)
        for name, section in services.config.credentials.items()
    ]
    return Secrets(await services.registry.keys.vault.kept(), uses)


@operation("secret.set", scope="admin", method="POST", path="/api/secrets", status=201, raises=(503,))
async def set_(services: Services, params: Keep) -> KeptSecret:
    """Keep a secret. The key of a provider is used from the next run on."""
    await services.registry.keep_secret(params.name, params.value)
    await services.audit.note("secret.set", services.caller.actor(), detail={"secret": params.name})
    kept = await services.registry.keys.vault.kept()
    return next((each for each in kept if each.name == params.name), KeptSecret(params.name, 0, 0))


@operation("secret.remove", scope="admin", method="DELETE", path="/api/secrets/{name}", raises=(404, 503))
async def remove(services: Services, params: Forget) -> Forgotten:
    """Forget a secret."""
    await services.registry.forget_secret(params.name)
    await services.audit.note("secret.remove", services.caller.actor(), detail={"secret": params.name})
    return Forgotten(params.name)
