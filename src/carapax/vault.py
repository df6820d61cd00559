"""The vault of a home."""

from carapax.clock import Clock, SystemClock
from carapax.config import Home
from carapax.contracts import SecretStore
from carapax.extensions import export, find


def open_vault(home: Home, clock: Clock | None = None) -> SecretStore:
    """Where a home keeps its secrets. Nothing is read or made until it is asked."""
    opening = export("vault", "keyfile", find("vault", "keyfile"))
    vault: SecretStore = opening(home.vault, clock or SystemClock())
    return vault
