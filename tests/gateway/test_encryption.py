"""What everybody may have of the certificates, and what is said to those who do not speak TLS."""

import ssl

import pytest
from aiohttp import ClientSession, TCPConnector

from carapax.config import Config, GatewayConfig, TlsConfig
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.gateway.raw import eventually
from tests.running import run

ON = Config(tls=TlsConfig(mode="on", names=("desk.lan",)))


def plain(gateway: GatewayClient) -> str:
    return gateway.url.replace("https:", "http:")


def test_the_authority_is_there_for_everybody_without_a_credential() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway, ClientSession(connector=TCPConnector(ssl=False)) as stranger:
            await gateway.services.tokens.create("laptop", ("admin",))
            async with stranger.get(f"{gateway.url}/ca.pem") as pem, stranger.get(f"{gateway.url}/ca.crt") as der:
                assert (pem.status, der.status) == (200, 200)
                assert der.headers["Content-Type"] == "application/x-x509-ca-cert"
                assert ssl.DER_cert_to_PEM_cert(await der.read()).split() == (await pem.text()).split()
                assert "PRIVATE" not in await pem.text()
            async with stranger.get(f"{plain(gateway)}/ca.pem") as pem:
                assert await pem.read() == gateway.services.certificates.authority_pem

    run(play())


@pytest.mark.parametrize("path", ["/ca.pem", "/ca.crt"])
def test_a_gateway_without_an_authority_has_none_to_give(path: str) -> None:
    async def play() -> None:
        async with gateway_client() as gateway, gateway.call("GET", path) as response:
            assert response.status == 404

    run(play())


def test_a_browser_that_comes_without_tls_is_led_to_the_same_place_with_it() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            async with gateway.http.get(f"{plain(gateway)}/a?b=c", allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (308, f"{gateway.url}/a?b=c")
            others = {"Cookie": "theirs=x; carapax-1=y"}
            async with gateway.http.get(plain(gateway), headers=others, allow_redirects=False) as response:
                assert response.status == 308
            async with gateway.http.get(f"{plain(gateway)}/") as page:
                assert page.status == 200
                assert page.url.scheme == "https"

    run(play())


def test_what_would_send_something_worth_keeping_in_the_clear_is_refused() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            shown = {"Authorization": "Bearer cpx_secret"}
            cookie = {"Cookie": f"carapax-{gateway.gateway.port}=x"}
            other = {"Cookie": f"a=b; __Host-{cookie['Cookie']}"}
            for method, headers in (("GET", shown), ("GET", cookie), ("GET", other), ("POST", shown), ("POST", {})):
                url = f"{plain(gateway)}/rpc"
                async with gateway.http.request(method, url, headers=headers, allow_redirects=False) as response:
                    told = await response.json(content_type=None)
                    assert (response.status, told["kind"]) == (403, "forbidden")
                    assert "https only" in told["detail"]
                    assert ("revoke the token" in told["detail"]) is bool(headers)

    run(play())


@pytest.mark.parametrize("path", ["/", "/app.js", "/health", "/auth", "/api/sessions", "/nothing", "/ca.pem"])
def test_no_answer_binds_the_whole_host_to_https(path: str) -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            for url in (gateway.url, plain(gateway)):
                async with gateway.http.get(url + path, allow_redirects=False) as response:
                    assert "Strict-Transport-Security" not in response.headers

    run(play())


def test_a_strange_name_is_not_led_anywhere() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            headers = {"Host": "evil.example"}
            async with gateway.http.get(plain(gateway), headers=headers, allow_redirects=False) as response:
                assert response.status == 403
                assert "Location" not in response.headers

    run(play())


def test_with_tls_the_gateway_is_called_whatever_its_certificate_says() -> None:
    async def status(config: Config) -> int:
        headers = {"Host": "desk.lan"}
        async with (
            gateway_client(config=config) as gateway,
            gateway.call("GET", "/health", headers=headers) as response,
        ):
            return response.status

    assert run(status(ON)) == 200
    assert run(status(Config(gateway=GatewayConfig(), tls=TlsConfig(names=("desk.lan",))))) == 403


def test_a_new_name_in_the_configuration_is_in_the_certificate_at_once() -> None:
    async def play() -> None:
        async with gateway_client(config=ON) as gateway:
            certificates = gateway.services.certificates
            await gateway.services.settings.change({("tls", "names"): ["nas.lan"]})
            await eventually(lambda: "nas.lan" in certificates.names)
            assert await gateway.rpc("health") == {"status": "ok"}

    run(play())
