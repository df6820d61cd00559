"""Where the key of a provider comes from: the vault, else the configuration, else the environment."""

from collections.abc import Mapping

from msgspec import Struct

from carapax.config import ProviderConfig
from carapax.contracts import SecretStore
from carapax.errors import ModelUnauthorized
from carapax.models.catalogue import Vendor, vendors
from carapax.redaction import Secret

VAULT = "vault"
CONFIGURATION = "carapax.toml"


class Found(Struct, frozen=True):
    """A key, and where it was: "vault", "carapax.toml" or "$VARIABLE"."""

    secret: Secret
    source: str


def secret_name(provider: str) -> str:
    """Under which name the vault has the key of a provider. Two providers of one vendor have a key each."""
    return f"provider:{provider}"


def provider_of(secret: str) -> str:
    """The provider whose key the vault has under this name; empty when it is something else."""
    kind, _, provider = secret.partition(":")
    return provider if kind == "provider" else ""


def names_for(variable: str) -> list[str]:
    """Under which names the vault should have what an environment variable holds: those of the keys of the vendors
    whose variable it is, else its own."""
    return [secret_name(name) for name, vendor in vendors().items() if vendor.key_env == variable] or [variable]


class Keys:
    """Finds keys by the name of a provider, its vendor, and its section of the configuration if it has one."""

    def __init__(self, vault: SecretStore, environ: Mapping[str, str]) -> None:
        self.vault = vault
        self.environ = environ

    async def find(self, name: str, vendor: Vendor, section: ProviderConfig | None = None) -> Found | None:
        """The key; None when there is none. Raises what the vault raises."""
        if kept := await self.vault.get(secret_name(name)):
            return Found(kept, VAULT)
        return self._elsewhere(vendor, section)

    async def source(self, name: str, vendor: Vendor, section: ProviderConfig | None = None) -> str:
        """Where the key is, without reading it; empty when there is none. A login is "login:NAME"."""
        names = await self.vault.names()
        if secret_name(name) in names:
            return VAULT
        if found := self._elsewhere(vendor, section):
            return found.source
        login = f"login:{vendor.login}"
        return login if vendor.login and login in names else ""

    async def require(self, name: str, vendor: Vendor, section: ProviderConfig | None = None) -> Secret:
        """The key to ask with, empty for a server that wants none.

        Raises ModelUnauthorized, with what to do, when it is missing or cannot be one.
        """
        found = await self.find(name, vendor, section)
        if found is None:
            if vendor.key_env and not vendor.local:
                hint = f"set {vendor.key_env} in the environment, or keep one with `carapax models add {name}`"
                raise ModelUnauthorized(f"there is no key for {name}", hint, vendor=name)
            return Secret("")
        key = found.secret.reveal()
        if not (key.isascii() and key.isprintable()):
            raise ModelUnauthorized(
                f"the key for {name} has characters that no key has", f"check it: {found.source}", vendor=name
            )
        return found.secret

    def _elsewhere(self, vendor: Vendor, section: ProviderConfig | None) -> Found | None:
        if section and (key := section.key.reveal().strip()):
            return Found(Secret(key), CONFIGURATION)
        if vendor.key_env and (key := self.environ.get(vendor.key_env, "").strip()):
            return Found(Secret(key), f"${vendor.key_env}")
        return None
