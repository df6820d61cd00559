"""Leases: one run at a time has a session. A run's own id is its fence, as no two runs share one."""

from carapax.errors import Conflict
from carapax.store.database import Statement


class LeaseLost(Conflict):
    """The run no longer has its session, and nothing it does may be kept."""


def acquire(session: str, run: str, owner: str, now: float, ttl_s: float) -> Statement:
    """Take a session that no run has, or whose lease has expired; else the transaction fails with Unexpected."""
    sql = (
        "INSERT INTO leases (session, run, owner, expires_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (session) DO UPDATE SET run = excluded.run, owner = excluded.owner, "
        "expires_at = excluded.expires_at WHERE leases.run = excluded.run OR leases.expires_at <= $5"
    )
    return Statement(sql, (session, run, owner, now + ttl_s, now), expect=1)


def renew(session: str, run: str, now: float, ttl_s: float) -> Statement:
    """Have the lease until `now + ttl_s`; fails with Unexpected when another run has it or it was released."""
    sql = "UPDATE leases SET expires_at = $3 WHERE session = $1 AND run = $2"
    return Statement(sql, (session, run, now + ttl_s), expect=1)


def release(session: str, run: str) -> Statement:
    """Give the session back; nothing happens when another run has it."""
    return Statement("DELETE FROM leases WHERE session = $1 AND run = $2", (session, run))
