"""Whether the log can be written, and the collector of traces and metrics answers."""

import os
from collections.abc import AsyncIterator

from carapax.config import TelemetryConfig
from carapax.doctor.finding import Finding, Patient, open_to_others
from carapax.errors import Unavailable
from carapax.http import Http
from carapax.redaction import without_userinfo

NAME = "telemetry"
_ANSWER_S = 3.0


async def check(patient: Patient) -> list[Finding]:
    found = [_log(patient)]
    if patient.config is not None and patient.config.telemetry.otlp_endpoint:
        found += [finding async for finding in _collector(patient, patient.config.telemetry)]
    return found


def _log(patient: Patient) -> Finding:
    folder = patient.home.log_folder
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(NAME, "fail", f"the log cannot be written to {folder}", f"make {there} a folder that is yours")
    if there == folder and folder.stat().st_mode & 0o077:
        return open_to_others(NAME, folder)
    return Finding(NAME, "ok", f"the log is in {folder}")


async def _collector(patient: Patient, telemetry: TelemetryConfig) -> AsyncIterator[Finding]:
    from carapax.telemetry.exporter import TRACES  # noqa: PLC0415  # heavy, and most send nothing

    where = without_userinfo(telemetry.otlp_endpoint)
    for header, name in telemetry.otlp_headers.items():
        if await patient.vault.get(name) is None:
            message = f"there is no secret {name!r} for the header {header}"
            yield Finding(NAME, "fail", message, f"carapax secrets set {name}")
    url = telemetry.otlp_endpoint.rstrip("/") + TRACES
    try:
        async with (
            Http() as http,
            http.request("POST", url, body=b"", connect_timeout_s=_ANSWER_S, idle_timeout_s=_ANSWER_S) as answer,
        ):
            status = answer.status
    except Unavailable as error:
        yield Finding(NAME, "warn", f"the collector does not answer: {error.message}", error.hint or "look at its log")
        return
    if status == 404:
        yield Finding(NAME, "warn", f"{where} is no collector: it answers 404", "check telemetry.otlp_endpoint")
    else:
        yield Finding(NAME, "ok", f"traces and metrics go to {where}")
