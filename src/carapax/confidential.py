"""What must not be told: the values that this gateway keeps secret, and how they are kept out of what is told."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from carapax.config import Config
from carapax.contracts import SecretStore
from carapax.errors import CarapaxError
from carapax.models.catalogue import vendors
from carapax.redaction import Secret
from carapax.redactor import Redactor

log = logging.getLogger(__name__)

FOLLOW_S = 10.0
MOST_FORMER = 500
"""How many values are known that are not in the vault any more."""
_LEAST_IN_DOCUMENT = 20


class Confidential:
    """Everything in the vault, and what else is `given`. It follows the vault as that changes, and still knows what was
    there before: who was given it may show it later.

    While the vault cannot be read, as one that is locked, it knows what it knew: then nobody was given more either.
    """

    def __init__(self, vault: SecretStore, given: Iterable[Secret] = ()) -> None:
        self._vault = vault
        self._given = tuple(given)
        self._values: dict[Secret, None] = {}
        self._seen: tuple[tuple[str, int, float], ...] = ()
        self.count = 0
        """How many secrets the vault held when it was read last."""
        self.known = Redactor(self._given)

    async def follow(self) -> None:
        """Know what changes in the vault, until cancelled, also while nobody asks for the redactor."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            await self.redactor()

    def give(self, more: Iterable[Secret]) -> None:
        """Know these as well, from now on."""
        self._given = tuple(dict.fromkeys([*self._given, *more]))
        self.known = Redactor([*self._given, *self._values])

    async def redactor(self) -> Redactor:
        """What takes out all secrets that there are now."""
        try:
            seen = tuple((kept.name, kept.version, kept.changed_at) for kept in await self._vault.kept())
            self.count = len(seen)
            if seen != self._seen:
                values = [await self._vault.get(name) for name, _, _ in seen]
                self._remember(dict.fromkeys(part for value in values if value for part in _parts(value)))
                self._seen = seen if None not in values else ()  # what could not be had is asked for again
        except CarapaxError as error:
            log.debug("secrets of the vault are not known: %s", error)
        return self.known

    def _remember(self, now: dict[Secret, None]) -> None:
        """Know these, and of those before them the last."""
        before = [value for value in self._values if value not in now][-MOST_FORMER:]
        self._values = {**dict.fromkeys(before), **now}
        self.known = Redactor([*self._given, *self._values])


def of_providers(config: Config, environ: Mapping[str, str]) -> Iterator[Secret]:
    """The keys of vendors that stand in the configuration or the environment."""
    variables = {vendor.key_env for vendor in vendors().values()}
    for section in config.providers.values():
        yield section.key
        variables.add(section.key_env)
    yield from (Secret(environ[name].strip()) for name in variables & environ.keys())


def _parts(secret: Secret) -> Iterator[Secret]:
    """A secret, the long words in it, such as the lines of a key, and when it is a document, such as the tokens of a
    login, the long texts in it."""
    yield secret
    yield from (Secret(word) for word in secret.reveal().split() if _is_long(word))
    if secret.reveal().startswith(("{", "[")):
        try:
            yield from _texts(msgspec.json.decode(secret.reveal()))
        except (msgspec.DecodeError, RecursionError):
            return


def _texts(value: object) -> Iterator[Secret]:
    match value:
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case str() if _is_long(value):
            yield Secret(value)


def _is_long(text: str) -> bool:
    return len(text) >= _LEAST_IN_DOCUMENT and "://" not in text
