import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import ConfigError, InvalidRequest
from carapax.store.days import Period, machine_zone, open_days, period_of

ZONES = ("Europe/Berlin", "America/Santiago", "Asia/Kathmandu", "Pacific/Apia", "America/New_York", "UTC")
MOMENTS = st.floats(946_684_800, 2_145_916_800, allow_nan=False)


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_a_day_is_that_of_the_zone() -> None:
    moment = at("2026-11-20 23:30")
    days = {zone: open_days(zone, {}).of(moment) for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles")}
    assert days == {"UTC": "2026-11-20", "Asia/Tokyo": "2026-11-21", "America/Los_Angeles": "2026-11-20"}


@pytest.mark.parametrize(
    ("zone", "moment", "period", "begins"),
    [
        ("Europe/Berlin", "2026-03-28 12:00", "daily", "2026-03-29 00:00"),
        ("Europe/Berlin", "2026-03-29 12:00", "daily", "2026-03-30 00:00"),
        ("Europe/Berlin", "2026-10-25 00:30", "daily", "2026-10-26 00:00"),
        ("Europe/Berlin", "2026-12-31 23:59", "monthly", "2027-01-01 00:00"),
        ("Europe/Berlin", "2026-01-31 23:59", "monthly", "2026-02-01 00:00"),
        # On this day the clocks of Santiago go from midnight to one o'clock: there is no midnight.
        ("America/Santiago", "2026-09-05 12:00", "daily", "2026-09-06 01:00"),
    ],
)
def test_the_next_day_or_month_begins_at_its_first_moment(zone: str, moment: str, period: Period, begins: str) -> None:
    assert open_days(zone, {}).resets_at(at(moment, zone), period) == at(begins, zone)


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(["daily", "monthly"]))
def test_a_period_ends_where_the_next_begins(moment: float, zone: str, period: Period) -> None:
    days = open_days(zone, {})
    begins = days.resets_at(moment, period)
    assert begins > moment
    now, last, first = (period_of(days.of(each), period) for each in (moment, begins - 0.001, begins))
    assert now == last < first


def test_days_are_counted_back() -> None:
    days = open_days("UTC", {})
    assert (days.before("2026-03-01", 1), days.before("2026-03-01", 0)) == ("2026-02-28", "2026-03-01")
    with pytest.raises(InvalidRequest, match="2026-02-30 is no day"):
        days.before("2026-02-30", 0)


def test_a_moment_is_written_in_the_zone() -> None:
    assert open_days("Asia/Tokyo", {}).written(at("2026-11-20 23:30")) == "2026-11-21 08:30 (Asia/Tokyo)"


def test_a_day_in_words_is_the_same_from_midnight_to_midnight() -> None:
    days = open_days("Pacific/Auckland", {})
    midnight = at("2028-02-29 00:00", "Pacific/Auckland")
    told = [days.in_words(midnight + seconds) for seconds in (-1, 0, 86_399, 86_400)]
    leap_day = "Tuesday, 29 February 2028 in Pacific/Auckland"
    assert told[1:3] == [leap_day, leap_day]
    assert told[::3] == ["Monday, 28 February 2028 in Pacific/Auckland", "Wednesday, 01 March 2028 in Pacific/Auckland"]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "\0", "x" * 300])
def test_a_zone_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(ConfigError, match="there is no time zone"):
        open_days(zone, {})


def test_without_a_zone_that_of_the_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_days("", {"TZ": "Asia/Tokyo"}).name == "Asia/Tokyo"
    here = open_days("", {"TZ": "nonsense"})
    now = datetime.now(UTC).timestamp()
    with monkeypatch.context() as patch:
        patch.delenv("TZ", raising=False)
        time.tzset()
        there = f"{datetime.fromtimestamp(now):%Y-%m-%d %H:%M}"
    time.tzset()
    assert here.written(now) == f"{there} ({here.name})"


@pytest.mark.parametrize("wanted", ["Asia/Tokyo", ":Asia/Tokyo", "JST-9", ""])
def test_the_zone_of_the_machine_is_named_where_it_has_a_name(wanted: str) -> None:
    name = machine_zone({"TZ": wanted})
    assert name == ("Asia/Tokyo" if "Tokyo" in wanted else machine_zone({}))
    if name:
        assert open_days(name, {}).name == open_days("", {"TZ": wanted}).name == name
