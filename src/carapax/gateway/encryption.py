"""What everybody may have of the certificates, and what is said to those who do not speak TLS."""

from aiohttp import hdrs, web

from carapax.errors import Forbidden, NotFound
from carapax.gateway.auth import has_cookie
from carapax.gateway.responses import respond
from carapax.tls.certificates import Certificates

AUTHORITY = ("/ca.pem", "/ca.crt")


def respond_authority(request: web.BaseRequest, certificates: Certificates) -> web.Response:
    """The certificate of the gateway's own authority, as PEM, or as phones want it. Raises NotFound without one."""
    pem = request.path == AUTHORITY[0]
    body = certificates.authority_pem if pem else certificates.authority_der
    if not body:
        raise NotFound("the gateway has no certificate authority of its own", "its port is plain, or has another's")
    kind = "application/x-pem-file" if pem else "application/x-x509-ca-cert"
    name = "carapax-ca" + request.path[3:]
    return respond(body, content_type=kind, headers={hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'})


def respond_plain(request: web.BaseRequest) -> web.Response:
    """Lead a browser to the same place with TLS. Raises Forbidden for what could have carried something worth
    keeping: a client that sends that in the clear shall notice. Browsers send the cookies of all ports of a machine;
    those of others are not ours to keep."""
    where = f"https://{request.headers[hdrs.HOST]}"
    shown = any(has_cookie(request, is_secure=is_secure) for is_secure in (False, True))
    carried = shown or hdrs.AUTHORIZATION in request.headers
    if request.method not in ("GET", "HEAD") or carried:
        lost = "; what was sent crossed the network readable: revoke the token" if carried else ""
        raise Forbidden(f"this port speaks https only{lost}", f"use {where}")
    return respond(status=308, headers={hdrs.LOCATION: where + request.rel_url.raw_path_qs})
