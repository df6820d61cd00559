"""The vault of a home."""

from carapax.config import Home
from carapax.contracts import SecretStore
from carapax.extensions import export, find


def open_vault(home: Home) -> SecretStore:
    """Where a home keeps its secrets. Nothing is read or made until it is asked."""
    vault: SecretStore = export("vault", "keyfile", find("vault", "keyfile"))(home.vault)
    return vault
