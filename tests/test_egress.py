"""The way out: public addresses only."""

import asyncio
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.config import EgressConfig, ReachConfig
from carapax.contracts import Fetched
from carapax.egress import PublicEgress, Target, is_public
from carapax.errors import ConfigError, Forbidden, InvalidRequest, Unavailable
from carapax.redaction import Secret
from tests.proof.forgery import V4, V6
from tests.running import run

PUBLIC = "93.184.215.14"
LOOPBACK = EgressConfig(("127.0.0.1/32",))


class Names:
    """A name server: every name is at `answers`, in turn; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def admitted(url: str, *answers: Sequence[str], allow: tuple[str, ...] = ()) -> tuple[str, tuple[str, ...]]:
    target = run(PublicEgress(EgressConfig(allow), Names(*(answers or ([PUBLIC],)))).admit(url))
    return target.url, target.addresses


@pytest.mark.parametrize("address", [*V4, *V6])
def test_the_table_knows_what_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", PUBLIC, "192.0.1.1", "172.32.0.1", "2606:4700::1", "2a00:1450:4001::65"]
)
def test_the_table_knows_what_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_no_address_that_is_not_global_to_python_is_public(address: ipaddress.IPv4Address) -> None:
    assert address.is_global or not is_public(address)


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"https?://[^/]{0,20}(:\d+)?/.{0,5}", fullmatch=True))
def test_any_text_is_admitted_or_refused_with_an_error_of_ours(url: str) -> None:
    try:
        written, _ = admitted(url)
    except (InvalidRequest, Forbidden):
        return
    assert admitted(written)[0] == written


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("HTTP://EXAMPLE.com:80", "http://example.com/"),
        ("https://example.com.:443/a?b#c", "https://example.com/a?b"),
        ("http://example.com:443?x", "http://example.com:443/?x"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/ü"),
        ("http://[2606:4700:0:0::1]:8080/", "http://[2606:4700::1]:8080/"),
    ],
)
def test_a_url_has_one_spelling(url: str, written: str) -> None:
    assert admitted(url)[0] == written


def test_one_answer_that_is_not_public_is_enough_to_refuse() -> None:
    for answers in (["10.0.0.1", PUBLIC], [PUBLIC, "::1"], [PUBLIC, "fe80::1%eth0"], [PUBLIC, "what"]):
        with pytest.raises(Forbidden):
            admitted("http://example.com/", answers)


def test_what_the_operator_allowed_may_be_reached() -> None:
    allow = ("Wiki.LAN.", "10.1.0.0/16", "127.0.0.1", "fd00::/8")
    assert admitted("http://wiki.lan:81/", ["192.168.0.4"], allow=allow) == ("http://wiki.lan:81/", ("192.168.0.4",))
    assert admitted("http://10.1.2.3/", allow=allow)[1] == ("10.1.2.3",)
    assert admitted("http://other/", ["fd00::1", "127.0.0.1"], allow=allow)[1] == ("fd00::1", "127.0.0.1")
    with pytest.raises(Forbidden):
        admitted("http://10.2.2.3/", allow=allow)
    with pytest.raises(Forbidden):
        admitted("http://sub.wiki.lan/", ["192.168.0.4"], allow=allow)


@pytest.mark.parametrize("entry", ["", "http://wiki.lan", "10.0.0.1/8", "a b", "wiki.lan:80", "*"])
def test_an_allowance_that_is_neither_name_nor_network_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError):
        PublicEgress(EgressConfig((entry,)))


REACH = ReachConfig(("*.example.com", "10.0.0.0/8", "9.9.9.9"), ("bad.example.com", "93.184.215.0/28"))


def reached(url: str, *answers: str) -> str:
    names = Names(answers or ("1.1.1.1",))
    egress = PublicEgress(EgressConfig(("10.1.0.0/16",)), names, reach=REACH, whose="[agents.main.egress]")
    try:
        run(egress.admit(url))
    except Forbidden as error:
        return f"{error.hint}; {len(names.asked)} asked"
    return "reached"


@pytest.mark.parametrize(
    ("url", "answers", "verdict"),
    [
        ("https://a.example.com/", (), "reached"),
        ("https://a.b.example.com/", (), "reached"),
        ("http://9.9.9.9/", (), "reached"),
        ("http://any.name/", ("10.1.2.3",), "reached"),
        ("https://bad.example.com/", (), "[agents.main.egress]: deny has 'bad.example.com'; 0 asked"),
        ("https://BAD.example.com./", (), "[agents.main.egress]: deny has 'bad.example.com'; 0 asked"),
        ("https://a.example.com/", (PUBLIC,), "[agents.main.egress]: deny has '93.184.215.0/28'; 1 asked"),
        ("https://example.org/", (), "[agents.main.egress]: hosts has neither; 1 asked"),
        ("https://example.com.evil.org/", (), "[agents.main.egress]: hosts has neither; 1 asked"),
        ("https://notexample.com/", ("10.1.2.3", "1.1.1.1"), "[agents.main.egress]: hosts has neither; 1 asked"),
        (
            "https://a.example.com/",
            ("10.2.0.1",),
            "the operator can allow it in the configuration: [egress] allow; 1 asked",
        ),
    ],
)
def test_an_agent_reaches_only_what_its_own_lists_allow(url: str, answers: tuple[str, ...], verdict: str) -> None:
    assert reached(url, *answers) == verdict


def test_a_list_of_names_is_judged_before_anybody_is_asked() -> None:
    names = Names([PUBLIC])
    egress = PublicEgress(EgressConfig(), names, reach=ReachConfig(("example.com",)))
    with pytest.raises(Forbidden, match="may not be reached"):
        run(egress.admit("https://what-i-read.evil.org/"))
    assert names.asked == []


def test_a_name_without_an_address_is_unavailable() -> None:
    async def fails(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    for resolve in (fails, Names([])):
        with pytest.raises(Unavailable, match="the name"):
            run(PublicEgress(EgressConfig(), resolve).admit("http://example.com/"))


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A web server on this machine; gives its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def fetched(
    handler: Handler, *, path: str = "/", max_bytes: int = 1000, timeout_s: float = 5, names: Names | None = None
) -> Fetched:
    async def scene() -> Fetched:
        async with serving(handler) as port:
            egress = PublicEgress(LOOPBACK, names or Names(["127.0.0.1"]))
            return await egress.fetch(f"http://site.example:{port}{path}", max_bytes=max_bytes, timeout_s=timeout_s)

    return run(scene())


def answering(body: bytes, **headers: str) -> Handler:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return handler


def test_a_page_is_fetched_by_name_with_nothing_carried_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: list[tuple[str, str, list[str]]] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append((request.method, request.path_qs, sorted(request.headers)))
        return web.Response(text=f"at {request.host.partition(':')[0]}", headers={"Set-Cookie": "a=b"})

    answer = fetched(handler, path="/a?b=c#d")
    assert (answer.status, answer.content_type, answer.body) == (200, "text/plain; charset=utf-8", b"at site.example")
    assert seen == [("GET", "/a?b=c", ["Accept", "Accept-Encoding", "Connection", "Host", "User-Agent"])]


def test_an_error_page_is_fetched_too() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(status=404, text="no")

    assert (fetched(handler).status, fetched(handler).body) == (404, b"no")


def test_a_name_is_resolved_once_and_its_checked_address_is_used() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    assert fetched(answering(b"x"), names=names).body == b"x"
    assert len(names.asked) == 1


def redirecting(*places: str) -> Handler:
    """Each request is sent on to the next place; `PORT` is the server's own."""
    waiting = list(places)

    async def handler(request: web.BaseRequest) -> web.Response:
        if not waiting:
            return web.Response(text=str(request.url.path))
        place = waiting.pop(0).replace("PORT", str(request.url.port))
        return web.Response(status=302, headers={"Location": place, "Set-Cookie": "a=b"})

    return handler


def test_redirects_are_followed() -> None:
    answer = fetched(redirecting("/b", "c/d", "//other.example:PORT/e", "http://127.0.0.1:PORT/f", "?g"))
    assert (answer.body, answer.url.rpartition("/")[2]) == (b"/f", "f?g")


@pytest.mark.parametrize(
    "place",
    [
        *("http://127.0.0.2/", "http://[::1]/", "//169.254.169.254/latest", "https://user@site.example/"),
        *("file:///etc/passwd", "http://0x7f000001/", "http://127.1/", "gopher://site.example/", "http://[::1"),
        "http://a\\b/",
    ],
)
@pytest.mark.parametrize("hops", range(5))
def test_every_redirect_is_checked(place: str, hops: int) -> None:
    with pytest.raises((Forbidden, InvalidRequest)):
        fetched(redirecting(*["/on"] * hops, place))


def test_a_name_that_moves_between_redirects_is_checked_again() -> None:
    with pytest.raises(Forbidden):
        fetched(redirecting("/on", "/on"), names=Names(["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]))


class Bearer:
    """Fills every header in with a secret."""

    async def filled(self, target: Target, headers: Mapping[str, str]) -> Mapping[str, Secret]:
        return {name: Secret(f"a secret for {target.host}") for name in headers}


@pytest.mark.parametrize(
    ("place", "came"),
    [
        ("/on", ["a secret for site.example", "a secret for site.example"]),
        ("http://site.example:PORT/on", ["a secret for site.example", "a secret for site.example"]),
        ("http://other.example:PORT/on", ["a secret for site.example", ""]),
        ("//site.example.:PORT/on", ["a secret for site.example", "a secret for site.example"]),
        ("http://127.0.0.1:PORT/on", ["a secret for site.example", ""]),
    ],
)
def test_a_header_follows_no_redirect_to_another_place(place: str, came: list[str]) -> None:
    seen: list[str] = []
    follow = redirecting(place)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        return await follow(request)

    async def scene() -> None:
        async with serving(handler) as port:
            egress = PublicEgress(LOOPBACK, Names(["127.0.0.1"]), filling=Bearer())
            url = f"http://site.example:{port}/"
            await egress.fetch(url, max_bytes=100, timeout_s=5, headers={"Authorization": "secret:x"})

    run(scene())
    assert seen == came


def test_a_header_follows_no_redirect_to_another_port() -> None:
    seen: list[str] = []

    async def there(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(text="hello")

    async def scene() -> None:
        async with serving(there) as other:

            async def here(request: web.BaseRequest) -> web.StreamResponse:
                seen.append(request.headers.get("Authorization", ""))
                return web.Response(status=307, headers={"Location": f"http://site.example:{other}/"})

            async with serving(here) as port:
                egress = PublicEgress(LOOPBACK, Names(["127.0.0.1"]), filling=Bearer())
                url = f"http://site.example:{port}/"
                await egress.fetch(url, max_bytes=100, timeout_s=5, headers={"Authorization": "secret:x"})

    run(scene())
    assert seen == ["a secret for site.example", ""]


def test_a_way_out_without_secrets_sends_no_headers() -> None:
    with pytest.raises(Forbidden, match="no headers"):
        run(
            PublicEgress(EgressConfig(), Names([PUBLIC])).fetch(
                "https://example.com/", max_bytes=1, timeout_s=1, headers={"Accept": "a"}
            )
        )


def test_the_sixth_redirect_is_refused() -> None:
    with pytest.raises(Unavailable, match="more than 5 redirects"):
        fetched(redirecting(*["/on"] * 6))


def test_a_body_is_cut_to_what_was_asked_for() -> None:
    assert fetched(answering(b"x" * 1001)).truncated
    whole = fetched(answering(b"x" * 1000))
    assert (len(whole.body), whole.truncated) == (1000, False)


def test_an_endless_body_is_cut() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 10_000)
        except (ConnectionError, asyncio.CancelledError):
            return response

    answer = fetched(handler, max_bytes=100_000)
    assert (len(answer.body), answer.truncated) == (100_000, True)


def test_a_packed_body_is_unpacked() -> None:
    assert fetched(answering(gzip.compress(b"hello"), Content_Encoding="gzip")).body == b"hello"


def test_a_body_that_unpacks_to_far_more_is_cut() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    answer = fetched(answering(bomb, Content_Encoding="gzip"), max_bytes=100_000)
    assert (len(answer.body), answer.truncated) == (100_000, True)


def test_a_body_that_unpacks_to_nothing_for_ever_is_cut() -> None:
    header, empty_block = gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"
    answer = fetched(answering(header + empty_block * 1000, Content_Encoding="gzip"), max_bytes=100)
    assert (answer.body, answer.truncated) == (b"", True)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"no gzip", "gzip"), (b"x", "br"), (gzip.compress(gzip.compress(b"x")), "gzip, gzip")],
    ids=["none", "another", "twice"],
)
def test_a_body_in_another_packing_is_refused(body: bytes, encoding: str) -> None:
    with pytest.raises(Unavailable):
        fetched(answering(body, Content_Encoding=encoding))


def test_who_does_not_answer_in_time_is_unavailable() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    with pytest.raises(Unavailable, match="within"):
        fetched(handler, timeout_s=0.1)


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, b"HTTP/1.1 302 F\r\n"]
)
def test_who_does_not_speak_http_is_unavailable(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async def scene() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await PublicEgress(LOOPBACK).fetch(f"http://127.0.0.1:{port}/", max_bytes=1, timeout_s=5)

    with pytest.raises(Unavailable):
        run(scene())


def test_nobody_there_is_unavailable() -> None:
    async def scene() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
            await PublicEgress(LOOPBACK).fetch(url, max_bytes=1, timeout_s=5)

    with pytest.raises(Unavailable):
        run(scene())


def test_an_encrypted_connection_asks_for_the_name() -> None:
    asked: list[str | None] = []

    async def scene() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = lambda connection, name, same: asked.append(name)
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            egress = PublicEgress(LOOPBACK, Names(["127.0.0.1"]))
            await egress.fetch(f"https://site.example:{port}/", max_bytes=1, timeout_s=5)

    with pytest.raises(Unavailable):
        run(scene())
    assert asked == ["site.example"]


def test_names_that_are_slow_to_resolve_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def slow(*given: object, **named: object) -> NoReturn:
        answered.wait()
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def main() -> None:
        egress = PublicEgress(EgressConfig())
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            asking = [group.create_task(egress.connect(f"https://slow{number}.example/")) for number in range(64)]
            try:
                await asyncio.sleep(0)  # all of them ask now
                await asyncio.to_thread(str)
            finally:
                for each in asking:
                    each.cancel()
                answered.set()

    run(main())
