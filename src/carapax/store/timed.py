"""How long commits take."""

import asyncio
from collections.abc import Callable, Sequence

from carapax.store.database import Committed, Database, Row, Statement, Value


class Timed:
    """A database of which `told` hears how many seconds each transaction took that was committed."""

    def __init__(self, database: Database, told: Callable[[float], None]) -> None:
        self._database = database
        self._told = told

    async def transact(self, statements: Sequence[Statement], committed: Committed | None = None) -> list[list[Row]]:
        time = asyncio.get_running_loop().time
        began = time()
        rows = await self._database.transact(statements, committed)
        self._told(time() - began)
        return rows

    async def fetch(self, sql: str, *params: Value) -> list[Row]:
        return await self._database.fetch(sql, *params)

    async def close(self) -> None:
        await self._database.close()
