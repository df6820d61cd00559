"""A home on which models have been asked for a month."""

import asyncio
import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from carapax.config import Home
from carapax.messages import Usage
from carapax.store.migrations import migrate
from carapax.store.spend import Call, settled
from carapax.store.sqlite import open_database
from tests.midday import zone_at_midday

ZONE = zone_at_midday()
CONFIG = f"""
[agents.main]
model = "demo/demo"

[models."demo/demo"]
input_usd = 20.0
output_usd = 20.0

[agents.research]
model = "demo/demo"
monthly_usd = 60.0

[budget]
daily_usd = 6.0
monthly_usd = 150.0

[user]
timezone = "{ZONE}"
"""
_MODELS = (
    ("anthropic", "claude-sonnet-4-6", 2.1),
    ("openai", "gpt-5.4", 1.3),
    ("gemini", "gemini-3.1-pro-preview", 0.7),
    ("groq", "openai/gpt-oss-120b", 0.12),
)


def calls(today: datetime, days: int) -> list[Call]:
    """One call of each model, by one of two agents, for each day; less on weekends, and more later."""
    found: list[Call] = []
    for back in range(days):
        day = today - timedelta(back)
        if day.day % 9 == 4:
            continue
        week = 0.25 if day.weekday() >= 5 else 1.0
        for nth, (provider, model, usd) in enumerate(_MODELS):
            wave = 1 + 0.6 * math.sin(back * 1.7 + nth * 2)
            cost = usd * week * wave * (1 - back / (days * 1.6))
            agent = "research" if (back + nth) % 3 == 0 else "main"
            tokens = int(cost * 90_000)
            usage = Usage(tokens, tokens // 9, cache_read=tokens // 2, cache_write=tokens // 10, reasoning=tokens // 30)
            where = (agent, f"session-{(back + nth) % 5}", "run", provider, model)
            found.append(Call(f"{back}-{nth}", day.timestamp(), f"{day:%Y-%m-%d}", *where, round(cost * 1e9), usage))
    return found


def plant(home: Home, *, days: int = 30, zone: str = ZONE) -> list[Call]:
    """Write the calls of so many days of a time zone into the home's database, which nobody has open."""
    planted = calls(datetime.now(ZoneInfo(zone)), days)

    async def write() -> None:
        home.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = await open_database(home.database_file)
        try:
            await migrate(database)
            await database.transact([settled(call) for call in planted])
        finally:
            await database.close()

    asyncio.run(write())
    return planted
