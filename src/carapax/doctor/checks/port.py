"""Whether the port can be listened on."""

import socket

from carapax.doctor.finding import Finding, Patient

NAME = "port"


async def check(patient: Patient) -> list[Finding]:
    if patient.running:
        return [Finding(NAME, "ok", f"the gateway of this home answers at {patient.running}")]
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
