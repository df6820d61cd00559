"""Whether the port can be listened on."""

import asyncio
import socket

from carapax.doctor.finding import Finding, Patient
from carapax.doctor.running import is_silent

NAME = "port"


async def check(patient: Patient) -> list[Finding]:
    if patient.running:
        return [await _of_gateway(patient.running)]
    if patient.config is None:
        return []
    host, port = patient.config.gateway.host, patient.config.gateway.port
    if not port:
        return [Finding(NAME, "ok", "any free port is taken at start")]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            remedy = f"stop what uses it, or set gateway.port in {patient.home.config_file} to another"
            message = f"cannot listen on {host}:{port}: {error.strerror or error}"
            return [Finding(NAME, "fail", message, remedy, f"{NAME}:move:")]
    return [Finding(NAME, "ok", f"{host}:{port} is free")]


async def _of_gateway(url: str) -> Finding:
    is_hung = await asyncio.to_thread(is_silent, url)
    if is_hung:
        message = f"what listens at {url} does not answer: the gateway of this home hangs"
        return Finding(NAME, "fail", message, "see `carapax logs`, and restart it: `carapax daemon restart`")
    return Finding(NAME, "ok", f"the gateway of this home answers at {url}")
