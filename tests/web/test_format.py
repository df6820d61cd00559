"""format.js: times as people read them, in the time zone of the browser."""

from collections.abc import Generator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.web.browser import MISSING, Browser

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
DAYS = [
    ("UTC", "2026-11-22"),
    ("Europe/Berlin", "2026-10-25"),  # the day has 25 hours
    ("Europe/Berlin", "2026-10-26"),  # the day before had 25 hours
    ("Europe/Berlin", "2026-03-30"),  # the day before had 23 hours
    ("America/St_Johns", "2028-03-01"),  # after a 29 February
    ("Pacific/Kiritimati", "2027-01-01"),
    ("Australia/Lord_Howe", "2026-04-05"),  # the clocks go back by half an hour
]


@pytest.fixture
def abroad(modules: Browser) -> Generator[Browser, None, None]:
    yield modules
    live_in(modules, "")


def live_in(browser: Browser, zone: str) -> None:
    """The time zone of the pages from now on; empty for that of the machine."""
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": zone})


@pytest.mark.parametrize(("zone", "day"), DAYS)
@pytest.mark.parametrize("hour", [0, 12, 23])
def test_a_session_is_under_the_day_on_which_it_was_used(abroad: Browser, zone: str, day: str, hour: int) -> None:
    def began(days_ago: int) -> float:
        return (midnight - timedelta(days_ago)).timestamp()

    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    now = midnight.replace(hour=hour, minute=59).timestamp()
    live_in(abroad, zone)
    firsts = [began(0), began(1), began(7)]
    found = abroad.run(
        "const { dayGroup } = await import('./format.js');"
        "return given[0].map((at) => dayGroup(at, new Date(given[1] * 1000)))",
        [each for first in firsts for each in (first, first - 1)],
        now,
    )
    assert found == ["Today", "Yesterday", "Yesterday", "Previous 7 days", "Previous 7 days", "Older"]
