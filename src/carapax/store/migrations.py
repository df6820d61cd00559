"""The tables, as the ordered steps that make them. A step that was released is never changed: add another."""

from collections.abc import Sequence

from carapax.errors import StoreError
from carapax.store.database import Database, Statement, Unexpected

Migration = tuple[str, ...]

_FIRST: Migration = (
    # A session by its number, because the number is repeated with every event.
    """CREATE TABLE sessions (
        number {serial} PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        agent TEXT NOT NULL,
        channel TEXT NOT NULL,
        conversation TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL,
        title TEXT NOT NULL,
        model TEXT NOT NULL,
        ended BIGINT NOT NULL,
        run TEXT NOT NULL,
        forked_from TEXT NOT NULL,
        forked_at BIGINT NOT NULL
    )""",
    "CREATE INDEX sessions_by_update ON sessions (updated_at)",
    "CREATE INDEX sessions_by_conversation ON sessions (channel, conversation)",
    # body: {"at": ..., "event": {...}, "run": "..."} as JSON
    """CREATE TABLE events (
        session BIGINT NOT NULL REFERENCES sessions (number),
        seq BIGINT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (session, seq)
    )""",
    # Messages that were received and that no run has taken.
    "CREATE TABLE waiting (session TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (session, message))",
    # What was accepted under a channel's own name for a message, so that a repetition is recognised.
    """CREATE TABLE receipts (
        channel TEXT NOT NULL,
        dedupe_key TEXT NOT NULL,
        session TEXT NOT NULL,
        message TEXT NOT NULL,
        seq BIGINT NOT NULL,
        PRIMARY KEY (channel, dedupe_key)
    )""",
    """CREATE TABLE leases (
        session TEXT NOT NULL PRIMARY KEY,
        run TEXT NOT NULL,
        owner TEXT NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL
    )""",
    # body: an Outbound as JSON. buried: 1 for a message that is not tried again.
    """CREATE TABLE outbox (
        position {serial} PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        session TEXT NOT NULL,
        channel TEXT NOT NULL,
        conversation TEXT NOT NULL,
        body TEXT NOT NULL,
        next_at DOUBLE PRECISION NOT NULL,
        attempts BIGINT NOT NULL,
        error TEXT NOT NULL,
        buried BIGINT NOT NULL
    )""",
    "CREATE INDEX outbox_by_conversation ON outbox (channel, conversation, position)",
    # digest: SHA-256 of the token. scopes: a JSON array.
    """CREATE TABLE tokens (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        digest {blob} NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        last_used_at DOUBLE PRECISION
    )""",
)

_FILES: Migration = (
    # digest: SHA-256 in hex. used: 1 once a message has named it.
    """CREATE TABLE files (
        digest TEXT NOT NULL PRIMARY KEY,
        media_type TEXT NOT NULL,
        size BIGINT NOT NULL,
        data {blob} NOT NULL,
        used BIGINT NOT NULL,
        added_at DOUBLE PRECISION NOT NULL
    )""",
)

_HEALTH: Migration = (
    """CREATE TABLE health (
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        failures BIGINT NOT NULL,
        until DOUBLE PRECISION NOT NULL,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (provider, model)
    )""",
)

_SPEND: Migration = (
    # A call of a model. cost: nanodollars. state: "reserved" while it is under way, then "settled".
    """CREATE TABLE spend (
        id TEXT NOT NULL PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL,
        day TEXT NOT NULL,
        agent TEXT NOT NULL,
        session TEXT NOT NULL,
        run TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        input BIGINT NOT NULL,
        output BIGINT NOT NULL,
        cache_read BIGINT NOT NULL,
        cache_write BIGINT NOT NULL,
        reasoning BIGINT NOT NULL,
        tool BIGINT NOT NULL,
        cost BIGINT NOT NULL,
        estimated BIGINT NOT NULL,
        priced BIGINT NOT NULL,
        state TEXT NOT NULL
    )""",
    "CREATE INDEX spend_by_day ON spend (day)",
    "CREATE INDEX spend_by_session ON spend (session)",
)

_HALT: Migration = (
    # One row while agents are stopped. body: a Stop as JSON.
    "CREATE TABLE halt (id BIGINT NOT NULL PRIMARY KEY, body TEXT NOT NULL)",
)

_AUDIT: Migration = (
    # body: an Entry as JSON. hash: see audit.py. The head is the last entry's number and hash.
    """CREATE TABLE audit (
        number BIGINT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        hash TEXT NOT NULL
    )""",
    "CREATE TABLE audit_head (id BIGINT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, hash TEXT NOT NULL)",
    "INSERT INTO audit_head VALUES (1, 0, '')",
)

_STAINS: Migration = (
    # Files, by their path in the workspace of an agent, that may hold the words of others; "" for all of it.
    "CREATE TABLE stains (agent TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (agent, path))",
)

_TRUST: Migration = ("ALTER TABLE tokens ADD COLUMN trust TEXT NOT NULL DEFAULT 'owner'",)

_GRANTS: Migration = (
    # What a person allowed for all sessions of an agent. body: a Grant as JSON.
    """CREATE TABLE grants (
        id TEXT NOT NULL PRIMARY KEY,
        agent TEXT NOT NULL,
        body TEXT NOT NULL,
        given_by TEXT NOT NULL,
        given_at DOUBLE PRECISION NOT NULL
    )""",
    # What was asked of people and has no answer yet.
    "CREATE TABLE questions (id TEXT NOT NULL PRIMARY KEY, session TEXT NOT NULL)",
)

_PIECES: Migration = (
    # The bytes of a long file from `start` on; its row in files has none.
    """CREATE TABLE file_pieces (
        digest TEXT NOT NULL, start BIGINT NOT NULL, data {blob} NOT NULL, PRIMARY KEY (digest, start)
    )""",
)

_OWNER: Migration = (
    # One row. handle: what authenticators know the owner by. password: a Hashed as JSON, or nothing.
    "CREATE TABLE owner (id BIGINT NOT NULL PRIMARY KEY, handle {blob} NOT NULL, password TEXT NOT NULL)",
    # id: what the authenticator calls it, in base64url. host: the name it can be used under. counter: of its uses.
    """CREATE TABLE passkeys (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        public_key {blob} NOT NULL,
        counter BIGINT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        last_used_at DOUBLE PRECISION
    )""",
    # digest: SHA-256 of what the cookie holds. credential: the id of the token or passkey it came of, if any.
    """CREATE TABLE signins (
        id TEXT NOT NULL PRIMARY KEY,
        digest {blob} NOT NULL,
        how TEXT NOT NULL,
        credential TEXT NOT NULL,
        address TEXT NOT NULL,
        browser TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        last_seen_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL
    )""",
)

_FOLLOWED: Migration = (
    # The SHA-256 of files of instructions, as they were when only those who may give orders had written them.
    "CREATE TABLE followed (agent TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (agent, name))",
)

_VOUCHED: Migration = (
    # Whether a person vouched for the file: then it is followed only while it holds that.
    "ALTER TABLE followed ADD COLUMN vouched INTEGER NOT NULL DEFAULT 0",
)

MIGRATIONS: tuple[Migration, ...] = (
    _FIRST,
    _FILES,
    _HEALTH,
    _SPEND,
    _HALT,
    _AUDIT,
    _STAINS,
    _TRUST,
    _GRANTS,
    _PIECES,
    _OWNER,
    _FOLLOWED,
    _VOUCHED,
)


async def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the tables up to date, each step in one transaction, and return the version reached.

    Raises StoreError for a database that a newer release has written.
    """
    await database.transact([Statement("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")])
    version = await schema_version(database)
    if version > len(migrations):
        raise StoreError(
            f"the database has version {version}, this release knows only {len(migrations)}",
            "use the release that wrote it, or a newer one",
        )
    for number in range(version, len(migrations)):
        step = [Statement(sql) for sql in migrations[number]]
        try:
            await database.transact([_reach(number + 1), *step])
        except Unexpected as error:
            raise StoreError("another process is bringing the database up to date", "try again") from error
    return len(migrations)


async def schema_version(database: Database) -> int:
    """The number of steps the tables have seen; 0 for none. Raises StoreError where there are no tables of ours."""
    rows = await database.fetch("SELECT version FROM schema_version")
    return int(str(rows[0][0])) if rows else 0


def _reach(version: int) -> Statement:
    if version == 1:
        return Statement("INSERT INTO schema_version SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM schema_version)", (), 1)
    return Statement("UPDATE schema_version SET version = $1 WHERE version = $2", (version, version - 1), 1)
