"""What files of instructions held when nobody but those who may give orders had a hand in them."""

from carapax.store.database import Database, Statement


class Followed:
    """The SHA-256 of each file as it was followed last, by agent and name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._digests: dict[tuple[str, str], str] = {}

    async def load(self) -> None:
        """Take up what was kept. Raises a StoreError."""
        for agent, name, digest in await self._database.fetch("SELECT agent, name, digest FROM followed"):
            self._digests[str(agent), str(name)] = str(digest)

    def holds(self, agent: str, name: str, digest: str) -> bool:
        """Whether that is what the file held."""
        return self._digests.get((agent, name)) == digest

    async def keep(self, agent: str, name: str, digest: str) -> None:
        """It holds that, and only those who may give orders had a hand in it. Raises a StoreError."""
        if self.holds(agent, name, digest):
            return
        sql = (
            "INSERT INTO followed (agent, name, digest) VALUES ($1, $2, $3) "
            "ON CONFLICT (agent, name) DO UPDATE SET digest = $3"
        )
        await self._database.transact([Statement(sql, (agent, name, digest))])
        self._digests[agent, name] = digest
