"""What files of instructions held when nobody but those who may give orders had a hand in them, or a person vouched."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from carapax.errors import CarapaxError
from carapax.store.database import Database, Statement

_KEEP = (
    "INSERT INTO followed (agent, name, digest, vouched) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (agent, name) DO UPDATE SET digest = $3, vouched = $4"
)


class Followed:
    """The SHA-256 of each file as it was followed last, by agent and name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._digests: dict[tuple[str, str], str] = {}
        self._vouched: set[tuple[str, str]] = set()

    async def load(self) -> None:
        """Take up what was kept. Raises a StoreError."""
        for agent, name, digest, vouched in await self._database.fetch(
            "SELECT agent, name, digest, vouched FROM followed"
        ):
            self._digests[str(agent), str(name)] = str(digest)
            if vouched:
                self._vouched.add((str(agent), str(name)))

    def holds(self, agent: str, name: str, digest: str) -> bool:
        """Whether that is what the file held."""
        return self._digests.get((agent, name)) == digest

    def is_vouched(self, agent: str, name: str) -> bool:
        """Whether a person vouched for what the file held: then anything else is not followed."""
        return (agent, name) in self._vouched

    async def keep(self, agent: str, name: str, digest: str) -> None:
        """It holds that, and only those who may give orders had a hand in it. Raises a StoreError."""
        if self.holds(agent, name, digest):
            return
        await self._database.transact([Statement(_KEEP, (agent, name, digest, 0))])
        self._digests[agent, name] = digest

    @contextmanager
    def vouching(self, agent: str, digests: Mapping[str, str]) -> Iterator[list[Statement]]:
        """A person vouches for what files hold, by name. It counts at once, and the statements keep it; when that
        fails, nothing that they hold counts until it does."""
        self._digests.update({(agent, name): digest for name, digest in digests.items()})
        self._vouched.update((agent, name) for name in digests)
        try:
            yield [Statement(_KEEP, (agent, name, digest, 1)) for name, digest in digests.items()]
        except CarapaxError:
            for name in digests:
                self._digests.pop((agent, name), None)
            raise
