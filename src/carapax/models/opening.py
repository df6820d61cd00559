"""How a vendor becomes a Provider that can be asked."""

from collections.abc import Mapping

from carapax.clock import Clock
from carapax.config import ProviderConfig
from carapax.contracts import Provider
from carapax.errors import ModelUnauthorized
from carapax.extensions import configure, export, find
from carapax.http import Http
from carapax.models.catalogue import Vendor, address, resolve
from carapax.models.credential import Fixed
from carapax.models.server import Server
from carapax.redaction import Secret


def open_provider(
    name: str, section: ProviderConfig | None, http: Http, environ: Mapping[str, str], clock: Clock
) -> Provider:
    """The provider of this name, of the catalogue or of the configuration.

    Raises ConfigError for what cannot be used, and ModelUnauthorized when its key is not in the environment.
    """
    vendor = resolve(name, section)
    module = find("provider", vendor.dialect)
    config = configure("provider", name, module, vendor.accent)
    told = section or ProviderConfig()
    server = Server(
        name,
        http,
        clock,
        address(name, vendor, environ),
        vendor.default_model,
        Fixed(_key(name, vendor, environ)),
        told.connect_timeout_s,
        told.idle_timeout_s,
    )
    provider: Provider = export("provider", name, module)(config, server)
    return provider


def _key(name: str, vendor: Vendor, environ: Mapping[str, str]) -> Secret:
    key = environ.get(vendor.key_env, "").strip() if vendor.key_env else ""
    if vendor.key_env and not key and not vendor.local:
        raise ModelUnauthorized(f"there is no key for {name}", f"set {vendor.key_env} in the environment", vendor=name)
    if not (key.isascii() and key.isprintable()):
        raise ModelUnauthorized(
            f"the key for {name} has characters that no key has",
            f"check {vendor.key_env} in the environment",
            vendor=name,
        )
    return Secret(key)
