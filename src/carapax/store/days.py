"""Days and months as the user's calendar has them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from carapax.errors import ConfigError, InvalidRequest

Period = Literal["daily", "monthly"]
_LOCAL = Path("/etc/localtime")


class Days:
    """When days and months begin in a time zone. Days are written as 2026-11-21, months as 2026-11."""

    def __init__(self, zone: ZoneInfo, name: str) -> None:
        self.name = name
        self._zone = zone

    def of(self, at: float) -> str:
        """The day of a moment, in seconds since 1970."""
        return f"{datetime.fromtimestamp(at, self._zone):%Y-%m-%d}"

    def resets_at(self, at: float, period: Period) -> float:
        """The moment at which the next day or month begins. Where the clocks are put forward at midnight, the day
        begins with the first moment that it has."""
        today = datetime.fromtimestamp(at, self._zone).date()
        first = today + timedelta(1) if period == "daily" else (today.replace(day=1) + timedelta(31)).replace(day=1)
        return self._begins_at(first)

    def before(self, day: str, days: int) -> str:
        """The day so many days before another. Raises InvalidRequest for what is no day."""
        try:
            return str(date.fromisoformat(day) - timedelta(days))
        except (ValueError, OverflowError) as error:
            raise InvalidRequest(f"{day} is no day", "write it as 2026-11-21") from error

    def written(self, at: float) -> str:
        """A moment as people read it, with the time zone's name."""
        return f"{datetime.fromtimestamp(at, self._zone):%Y-%m-%d %H:%M} ({self.name})"

    def in_words(self, at: float) -> str:
        """The day of a moment as people say it, with the time zone's name."""
        return f"{datetime.fromtimestamp(at, self._zone):%A, %d %B %Y} in {self.name}"

    def _begins_at(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()


def period_of(day: str, period: Period) -> str:
    """The day itself, or its month."""
    return day if period == "daily" else day[:7]


def open_days(timezone: str, environ: Mapping[str, str]) -> Days:
    """The calendar of an IANA time zone; with an empty name that of this machine. Raises ConfigError for one that
    nobody knows."""
    if name := timezone or machine_zone(environ):
        return _named(name)
    try:
        with _LOCAL.open("rb") as stream:
            return Days(ZoneInfo.from_file(stream), "this machine's time")
    except (OSError, ValueError):
        return _named("UTC")


def machine_zone(environ: Mapping[str, str]) -> str:
    """The IANA name of this machine's time zone; empty where it is not known by one."""
    for name in (environ.get("TZ", "").lstrip(":"), _LOCAL.resolve().as_posix().partition("zoneinfo/")[2]):
        with suppress(ConfigError):
            return _named(name).name
    return ""


def _named(timezone: str) -> Days:
    try:
        return Days(ZoneInfo(timezone), timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"there is no time zone {timezone!r}", 'name one such as "Europe/Berlin" or "UTC"') from error
