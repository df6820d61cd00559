"""Where the gauges are read."""

import asyncio
from collections.abc import Callable

from carapax.clock import Clock
from carapax.confidential import Confidential
from carapax.errors import StoreError
from carapax.logs.logs import Logs
from carapax.sessions.sessions import Sessions
from carapax.store.database import Database
from carapax.store.stock import Stock, stock
from carapax.telemetry.exposition import written
from carapax.telemetry.meters import Meters
from carapax.throttle import Bans

_LOOK_EVERY_S = 1.0


class Gauges:
    """Reads what a gateway has now whenever its metrics are asked for; it starts now."""

    def __init__(
        self,
        meters: Meters,
        database: Database,
        sessions: Sessions,
        bans: Bans,
        logs: Logs,
        confidential: Confidential,
        clock: Clock,
    ) -> None:
        self.meters = meters
        self._database = database
        self._confidential = confidential
        self._stock = Stock(0, {})
        started_at = clock.now()
        meters.refresh = self.refresh
        meters.uptime.read = lambda: clock.now() - started_at
        meters.waiting.read = lambda: self._stock.messages
        meters.outbox.read = lambda: self._stock.outbox
        meters.running.read = lambda: len(sessions.running())
        meters.pending.read = lambda: len(sessions.approvals())
        meters.bans.read = lambda: len(bans.all(asyncio.get_running_loop().time()))
        meters.lost_lines.read = lambda: logs.lost
        meters.secrets.read = lambda: confidential.count

    async def watch_loop(self) -> None:
        """Measure, until cancelled, how late the event loop is."""
        time = asyncio.get_running_loop().time
        while True:
            due = time() + _LOOK_EVERY_S
            await asyncio.sleep(_LOOK_EVERY_S)
            self.meters.loop_lag.observe((), max(0.0, time() - due))

    async def refresh(self) -> None:
        """Read anew what only the database knows; while it does not answer, what it said last stays."""
        try:
            self._stock = await stock(self._database)
        except StoreError:
            return

    async def written(self, *, as_open: bool) -> str:
        """All metrics as Prometheus reads them, without secrets."""
        await self.refresh()
        return written(self.meters.all(), self._redact(), as_open=as_open)

    def _redact(self) -> Callable[[str], str]:
        """Values of labels come again and again: each is looked through once."""
        redactor, known = self._confidential.known, dict[str, str]()

        def redact(text: str) -> str:
            if text not in known:
                known[text] = redactor(text)
            return known[text]

        return redact
