"""Whether the clock can be right: certificates are refused and sessions sorted wrongly when it is not."""

from carapax.clock import SystemClock
from carapax.doctor.finding import Finding, Patient

NAME = "clock"
_RELEASED_AT = 1_767_225_600  # 2026-01-01: no clock that is right shows an earlier time
_TOLERATED_S = 60


async def check(patient: Patient) -> list[Finding]:
    now = SystemClock().now()
    remedy = "set the clock, for example with `timedatectl set-ntp true`"
    if now < _RELEASED_AT:
        return [Finding(NAME, "fail", "the clock is years behind", remedy)]
    written = [file for file in (patient.home.config_file, patient.home.database_file) if file.exists()]
    if any(file.stat().st_mtime > now + _TOLERATED_S for file in written):
        return [Finding(NAME, "warn", "files of this home were written in the future, so the clock went back", remedy)]
    return [Finding(NAME, "ok", "the clock can be right")]
