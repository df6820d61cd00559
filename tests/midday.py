"""A place where no day begins while a test runs that goes by the machine's clock."""

from datetime import UTC, datetime


def zone_at_midday() -> str:
    """A time zone in which it is between twelve and one o'clock now."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"  # the sign is that of what is to be added to get UTC
