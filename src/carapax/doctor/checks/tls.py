"""Whether what crosses the network is encrypted, with certificates that hold and keys that nobody else can read."""

import stat
from collections.abc import Iterator

from carapax.clock import SystemClock
from carapax.config import Config, is_loopback
from carapax.doctor.finding import Finding, Patient, open_to_others
from carapax.tls.certificates import describe, own_files
from carapax.tls.names import asked, is_named
from carapax.tls.status import TlsStatus

NAME = "tls"
_DAY_S = 86_400.0
_SOON_S = 14 * _DAY_S
_LONG_BEFORE_S = 365 * _DAY_S


async def check(patient: Patient) -> list[Finding]:
    config, home = patient.config, patient.home
    if config is None:
        return []
    now = SystemClock().now()
    told = describe(config, home, now)
    found = list(_plain(config)) if told.mode == "off" else [*_names(told, config), *_times(told, patient, now)]
    keys = [own_files(config, home)[1]] if told.mode == "own" else [home.tls, home.authority_file, home.leaf_file]
    for path in keys if told.mode != "off" else []:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            found.append(open_to_others(NAME, path))
    return found or [_well(told)]


def _plain(config: Config) -> Iterator[Finding]:
    if is_loopback(config.gateway.host):
        return
    remedy = 'set tls.mode to "auto", unless a proxy in front of the gateway encrypts'
    yield Finding(NAME, "warn", f"what comes to {config.gateway.host} crosses the network readable", remedy)


def _names(told: TlsStatus, config: Config) -> Iterator[Finding]:
    if told.certificate is None:
        return
    for name in asked(config):
        if not is_named(name, told.certificate.names):
            remedy = (
                "have one made that is for it too"
                if told.mode == "own"
                else "restart the gateway, or move its authority away to have one made that may vouch for it"
            )
            yield Finding(NAME, "warn", f"the certificate is not for {name}", remedy)


def _times(told: TlsStatus, patient: Patient, now: float) -> Iterator[Finding]:
    certificate, authority = told.certificate, told.authority
    if certificate and certificate.since > now:
        yield Finding(NAME, "warn", "the certificate begins in the future", "set the clock, then restart the gateway")
    if certificate and told.mode == "own" and certificate.until < now + _SOON_S:
        days = int((certificate.until - now) / _DAY_S)
        yield Finding(NAME, "warn", f"your certificate ends in {days} days", "renew it; the gateway reads it anew")
    if certificate and told.mode == "private" and certificate.until < now and patient.running:
        yield Finding(NAME, "fail", "the certificate has ended and was not renewed", "see the log of the gateway")
    if authority and authority.until < now + _LONG_BEFORE_S:
        days = int((authority.until - now) / _DAY_S)
        remedy = f"move {patient.home.authority_file} away and restart; devices must trust the new one"
        yield Finding(NAME, "warn", f"the gateway's own authority ends in {days} days", remedy)


def _well(told: TlsStatus) -> Finding:
    if told.mode == "off":
        return Finding(NAME, "ok", "plain HTTP, on this machine only")
    if told.certificate is None:
        return Finding(NAME, "ok", "an authority and a certificate are made at the first start")
    return Finding(NAME, "ok", f"encrypted, for {', '.join(told.certificate.names)}")
