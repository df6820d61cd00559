"""The login of the Claude Code command line, where it is: its bearer token, for as long as that lasts.

The file is written by `claude` and only read here: renewing the token here would sign that program out.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from carapax.clock import Clock
from carapax.contracts import SecretStore
from carapax.errors import ModelUnauthorized
from carapax.http import Http
from carapax.models.credential import Credential
from carapax.models.login import Followed
from carapax.redaction import Secret

_NAME = "claude_code"
_BETA = {"anthropic-beta": "oauth-2025-04-20"}


class _OAuth(Struct, rename="camel"):
    access_token: str
    expires_at: float = 0


class _File(Struct, rename="camel"):
    claude_ai_oauth: _OAuth


class ClaudeCode:
    """The token in CLAUDE_CODE_OAUTH_TOKEN, which `claude setup-token` makes, else that of the file."""

    def __init__(
        self, vault: SecretStore, http: Http, clock: Clock, environ: Mapping[str, str], home_dir: Path
    ) -> None:
        self._clock = clock
        self._told = environ.get("CLAUDE_CODE_OAUTH_TOKEN", "").strip()
        folder = environ.get("CLAUDE_CONFIG_DIR", "").strip()
        self._file = Followed((Path(folder) if folder else home_dir / ".claude") / ".credentials.json", _File)

    async def get(self) -> Credential:
        if self._told:
            return Credential(Secret(self._told), _BETA)
        found = self._file.read()
        if found is None:
            raise self._signed_out(f"no login of Claude Code is in {self._file.path}")
        if 0 < found.claude_ai_oauth.expires_at <= self._clock.now() * 1000:
            raise self._signed_out("the login of Claude Code has expired")
        return Credential(Secret(found.claude_ai_oauth.access_token), _BETA)

    async def renew(self, refused: Credential) -> Credential | None:
        """The token that `claude` has written since, if it has."""
        found = await self.get()
        return found if found.key != refused.key else None

    def _signed_out(self, why: str) -> ModelUnauthorized:
        return ModelUnauthorized(why, "run `claude` and sign in there, or use a key of the API", vendor=_NAME)


EXTENSION = ClaudeCode
