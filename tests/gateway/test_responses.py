from carapax.errors import Conflict, RateLimited, Unauthorized
from carapax.gateway.errors import MethodNotAllowed
from carapax.gateway.responses import error_headers, fault, refusal, respond


def test_every_answer_has_the_protecting_headers_and_names_no_software() -> None:
    for response in (respond(b"{}"), refusal(Conflict("busy")), fault()):
        headers = response.headers
        assert (headers["Server"], headers["Cache-Control"]) == ("carapax", "no-store")
        assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_a_fault_of_ours_says_no_more_than_that() -> None:
    assert fault().body == (
        b'{"title":"Internal Server Error","status":500,"detail":"the gateway made a mistake",'
        b'"kind":"internal","hint":"see its log"}'
    )


def test_errors_bring_the_headers_of_their_status() -> None:
    assert error_headers(RateLimited("slow down", 6.2)) == {"Retry-After": "7"}
    assert error_headers(RateLimited("slow down", 0.01)) == {"Retry-After": "1"}
    assert error_headers(MethodNotAllowed("no", ("GET", "POST"))) == {"Allow": "GET, POST"}
    assert error_headers(Unauthorized("no")) == {"WWW-Authenticate": 'Bearer realm="carapax"'}
    assert error_headers(Conflict("no")) == {}
