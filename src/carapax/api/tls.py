"""How the gateway's port is encrypted."""

from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.tls.status import TlsStatus


@operation("tls.status", scope="read", path="/api/tls")
async def status(services: Services, params: Nothing) -> TlsStatus:
    """Whether the port is encrypted, with which certificate, until when, and who vouches for it."""
    return services.certificates.status()
