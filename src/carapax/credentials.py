"""Secrets that agents use by their names: where each may be sent, and which commands get it."""

import logging
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from carapax.config import Config, CredentialConfig
from carapax.contracts import SecretStore
from carapax.egress import Target
from carapax.errors import ConfigError, Forbidden, InvalidRequest, Unavailable
from carapax.models.keys import provider_of
from carapax.places import Places, literal
from carapax.process import is_variable
from carapax.redaction import Secret
from carapax.redactor import can_be_told
from carapax.vault import is_name

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HANDLE = re.compile(r"secret:([A-Za-z0-9_-]{1,64})")
_HEADER = re.compile(r"([A-Za-z0-9-]{1,64}):(?: ([!-~]{0,40}))?")
_VALUE = re.compile(r"[ -~]{0,1000}")
_LOGIN = "login:"
# Headers that hold no secret, and what may stand in them: nothing that could carry out what was read.
_DATE = re.compile(r"20\d\d-\d\d-\d\d")
_PLAIN = {
    "Accept": re.compile(
        r"\*/\*|text/(html|plain|markdown|csv)|application/(((ld|atom|rss|vnd\.github(\.raw)?)\+)?(json|xml))"
    ),
    "Anthropic-Version": _DATE,
    "Notion-Version": _DATE,
    "X-GitHub-Api-Version": _DATE,
}
_SPELLING = {name.lower(): name for name in _PLAIN}


class Credential:
    """One table of the configuration. Raises ConfigError, which names the key, for one that cannot be used."""

    def __init__(self, name: str, section: CredentialConfig) -> None:
        place = f"[credentials.{name}]"
        self.name = name
        self.handle = f"secret:{name}"
        self.secret = section.secret or name
        self.agents = section.agents
        self.env = section.env
        self.hosts = section.hosts
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{place}: {name!r} is no name for a credential", "use letters, digits, _ and -")
        if not is_name(self.secret):
            raise ConfigError(f"{place} secret: {self.secret!r} is no name of a secret")
        if provider_of(self.secret) or self.secret.startswith(_LOGIN):
            raise ConfigError(
                f"{place} secret: {self.secret} is a key that models are asked with, which no agent gets",
                "keep a key for the agent under a name of its own",
            )
        if "*" in section.hosts:
            raise ConfigError(f'{place} hosts: "*" would send it anywhere', "name the hosts that it is for")
        self._places = Places(section.hosts, f"{place} hosts")
        header = _HEADER.fullmatch(section.header)
        if header is None:
            raise ConfigError(
                f"{place} header: {section.header!r} is no header",
                'write it like "X-Api-Key:" or "Authorization: Bearer"',
            )
        self.header, self._scheme = header[1], header[2] or ""
        if self.env and not is_variable(self.env):
            raise ConfigError(f"{place} env: {self.env!r} is no name of a variable")

    @property
    def sent_as(self) -> str:
        """The whole header, with the name in place of the value."""
        return f"{self.header}: {self.written(Secret(self.handle)).reveal()}"

    def goes_to(self, host: str) -> bool:
        address = literal(host)
        return bool(self._places.holding(address) if address else self._places.naming(host))

    def written(self, value: Secret) -> Secret:
        return Secret(f"{self._scheme} {value.reveal()}".strip())

    def fits(self, header: str, value: str) -> bool:
        """Whether a header is how this is sent: by its name alone, or after what stands before it."""
        scheme = value.removesuffix(self.handle).strip()
        return (
            header == self.header.lower()
            and value.endswith(self.handle)
            and scheme.lower() in ("", self._scheme.lower())
        )


class AgentCredentials:
    """The Credentials of one agent, and what fills them in where its requests go out."""

    def __init__(self, agent: str, credentials: Mapping[str, Credential], vault: SecretStore) -> None:
        self._agent = agent
        self._vault = vault
        self._mine = {
            name: credential
            for name, credential in credentials.items()
            if any(fnmatchcase(agent, pattern) for pattern in credential.agents)
        }
        self._missed: set[str] = set()

    def told(self) -> str:
        """What the model is told: names, and where they can be used; empty when there are none."""
        lines = [f"- {_use(credential)}" for credential in self._mine.values()]
        if not lines:
            return ""
        return "\n".join(("Secrets that you may use by name; nobody shows you their values:", *lines))

    async def environment(self) -> Mapping[str, Secret]:
        given: dict[str, Secret] = {}
        for credential in self._mine.values():
            if credential.env:
                value = await self._vault.get(credential.secret)
                if value is not None:
                    given[credential.env] = _distinct(credential, value)
                elif credential.name not in self._missed:
                    self._missed.add(credential.name)
                    log.warning(
                        "%s is not in the vault, so commands go without it: %s", credential.handle, _remedy(credential)
                    )
        return given

    async def filled(self, target: Target, headers: Mapping[str, str]) -> Mapping[str, Secret]:
        """The headers as they are sent to a place: those that anybody may send as they are, and a credential for its
        name where it may go. Raises InvalidRequest, Forbidden or Unavailable, with the rule."""
        sent: dict[str, Secret] = {}
        for header, value in headers.items():
            if not _VALUE.fullmatch(value):
                raise InvalidRequest(f"the header {header[:50]!r} has a value that no header has")
            if handle := _HANDLE.search(value):
                credential = self._find(handle[1])
                sent[credential.header] = await self._for(credential, target, header, value)
            elif (plain := _SPELLING.get(header.lower())) and _PLAIN[plain].fullmatch(value):
                sent[plain] = Secret(value)
            else:
                raise Forbidden(
                    f"the header {header[:50]!r} may not be sent, or not with this value",
                    f"these may, with their usual values: {', '.join(_PLAIN)}; and {self._names()}",
                )
        return sent

    async def _for(self, credential: Credential, target: Target, header: str, value: str) -> Secret:
        where = f"[credentials.{credential.name}]"
        if not target.url.startswith("https:"):
            raise Forbidden(f"{credential.handle} is sent by https only, not to {target.origin}")
        if not credential.goes_to(target.host):
            allowed = ", ".join(credential.hosts) or "none"
            raise Forbidden(f"{credential.handle} may not be sent to {target.host}", f"{where} hosts: {allowed}")
        if not credential.fits(header.lower(), value):
            raise Forbidden(
                f"{credential.handle} may not be sent like this", f"{where} header: it goes as {credential.sent_as!r}"
            )
        found = await self._vault.get(credential.secret)
        if found is None:
            raise Unavailable(f"{credential.handle} is not in the vault", _remedy(credential))
        if not _VALUE.fullmatch(found.reveal()):
            raise Unavailable(f"{credential.handle} has characters that no header has", _remedy(credential))
        return credential.written(_distinct(credential, found))

    def _find(self, name: str) -> Credential:
        if name not in self._mine:
            raise Forbidden(
                f"{self._agent} has no secret:{name}", f"[credentials.{name}] agents; it has {self._names()}"
            )
        return self._mine[name]

    def _names(self) -> str:
        return ", ".join(credential.handle for credential in self._mine.values()) or "no secrets"


def open_credentials(config: Config) -> dict[str, Credential]:
    """All of the configuration. Raises ConfigError."""
    return {name: Credential(name, section) for name, section in config.credentials.items()}


def _use(credential: Credential) -> str:
    return credential.handle + "".join(_uses(credential))


def _uses(credential: Credential) -> Iterator[str]:
    if credential.hosts:
        yield f': in web_fetch as the header "{credential.sent_as}", for https://{", https://".join(credential.hosts)}'
    if credential.env:
        yield f"{'; ' if credential.hosts else ': '}in commands as ${credential.env}"


def _distinct(credential: Credential, value: Secret) -> Secret:
    if not can_be_told(value):
        raise Unavailable(
            f"{credential.handle} is too short, and could not be kept out of what comes back",
            "use one of 8 characters, or of 16 when it is one word or number",
        )
    return value


def _remedy(credential: Credential) -> str:
    return f"carapax secrets set {credential.secret}"
