"""Where a gateway keeps what it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """Where a gateway keeps its configuration and its data; both folders are private to the user."""

    config_dir: Path
    data_dir: Path

    @classmethod
    def resolve(
        cls, home: Path | None, config_dir: Path | None, data_dir: Path | None, environ: Mapping[str, str]
    ) -> "Home":
        """`home` (else `CARAPAX_HOME`, else `~/.carapax`) holds both, unless the two are named apart."""
        base = home or Path(environ.get("CARAPAX_HOME") or Path.home() / ".carapax")
        return cls((config_dir or base).absolute(), (data_dir or base / "data").absolute())

    @property
    def config_file(self) -> Path:
        return self.config_dir / "carapax.toml"

    @property
    def database_file(self) -> Path:
        return self.data_dir / "carapax.db"

    @property
    def injection_file(self) -> Path:
        """Phrases of orders to agents, besides those that are known."""
        return self.config_dir / "injection.toml"

    @property
    def vault(self) -> Path:
        """The folder of what is secret."""
        return self.data_dir / "vault"

    @property
    def log_folder(self) -> Path:
        """Where the gateway's log is."""
        return self.data_dir / "logs"

    @property
    def workspaces(self) -> Path:
        """One folder for each agent."""
        return self.data_dir / "workspaces"

    @property
    def personas(self) -> Path:
        """A folder for each agent, with its `persona.md`."""
        return self.config_dir / "agents"

    @property
    def facts_file(self) -> Path:
        """The facts and prices of models that were fetched last."""
        return self.data_dir / "models.json"

    @property
    def tls(self) -> Path:
        """The folder of keys and certificates that the gateway made for its port."""
        return self.data_dir / "tls"

    @property
    def authority_file(self) -> Path:
        """Key and certificate of the gateway's own authority."""
        return self.tls / "authority.pem"

    @property
    def public_authority_file(self) -> Path:
        """The certificate alone, for stores of other programs."""
        return self.tls / "ca.pem"

    @property
    def leaf_file(self) -> Path:
        """Key and certificate that the gateway has made for its port."""
        return self.tls / "leaf.pem"

    @property
    def shown_file(self) -> Path:
        """The certificate that a running gateway shows, and the one before it: what commands on this machine trust."""
        return self.tls / "shown.pem"

    @property
    def run_file(self) -> Path:
        """What a running gateway says of itself to commands of the same user: address, process, token."""
        return self.data_dir / "run" / "gateway.json"

    @property
    def lock_file(self) -> Path:
        return self.data_dir / "run" / "lock"
