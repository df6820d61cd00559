"""S3: no URL leads a tool to an address that is not public, whichever door it is given to."""

import asyncio
import contextlib
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from carapax import egress as egress_module
from carapax.config import EgressConfig
from carapax.egress import PublicEgress
from carapax.egressproxy import offered
from carapax.errors import Forbidden, InvalidRequest, Unavailable
from tests.proof.figures import Figure, bound, shown
from tests.proof.forgery import FORMS, GOOD

T = TypeVar("T")
PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:4700::1"
INSIDE = ("127.0.0.1", "169.254.169.254", "fd00::1")
START = "127.99.99.99"  # where the server with redirects is
REFUSED, STAYED = "refused", "stayed"


class Watched(asyncio.SelectorEventLoop):
    """Keeps to which addresses somebody wants to connect; all but the server with redirects refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: list[str] = []

    async def sock_connect(self, sock: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] != START:
            self.reached.append(str(address[0]))
            raise ConnectionRefusedError
        await super().sock_connect(sock, address)  # type: ignore[arg-type] # whatever it takes


def watched(coroutine: Callable[[Watched], Coroutine[object, object, T]]) -> T:
    with asyncio.Runner(loop_factory=Watched) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Watched)
        return runner.run(coroutine(loop))


@dataclass
class Names:
    """A name server: a name is at `answers`, in turn; the last one stays."""

    answers: Sequence[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if host == "start.example":
            return [START]
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@dataclass
class Doors:
    """The ways on which something goes out for an agent. Each takes a URL and says "refused", "stayed" when it went no
    further than a server it was sent on from, or where it went."""

    loop: Watched
    names: Names
    egress: PublicEgress
    proxy: int = 0
    redirects: int = 0

    async def fetch(self, url: str) -> str:
        return await self._tried(self.egress.fetch(url, max_bytes=10, timeout_s=5))

    async def connect(self, url: str) -> str:
        return await self._tried(self.egress.connect(url))

    async def tunnel(self, url: str) -> str:
        """The proxy of relaxed sandboxes, by CONNECT."""
        place = url.partition("://")[2].replace("#", "/").replace("?", "/").split("/")[0]
        return await self._proxied(f"CONNECT {place if _has_port(place) else f'{place}:443'} HTTP/1.1\r\n\r\n")

    async def forwarded(self, url: str) -> str:
        """The same proxy, asked for a page, by a request that says it is for another host."""
        return await self._proxied(f"GET {url} HTTP/1.1\r\nHost: example.com\r\n\r\n")

    async def redirect(self, url: str) -> str:
        return await self._sent_on(url, hops=1)

    async def five_redirects(self, url: str) -> str:
        return await self._sent_on(url, hops=5)

    async def _sent_on(self, url: str, hops: int) -> str:
        start = f"http://start.example:{self.redirects}/{hops}/{url.encode().hex()}"
        return await self._tried(self.egress.fetch(start, max_bytes=10, timeout_s=5))

    async def _tried(self, work: Coroutine[object, object, object]) -> str:
        before = len(self.loop.reached)
        try:
            await work
        except (Forbidden, InvalidRequest):
            return REFUSED
        except Unavailable as error:
            if len(self.loop.reached) == before:
                return STAYED if "redirects" in str(error) or "404" in str(error) else REFUSED
            return ", ".join(sorted(set(self.loop.reached[before:])))
        return STAYED

    async def _proxied(self, request: str) -> str:
        before = len(self.loop.reached)
        with socket.socket(socket.AF_UNIX) as near:
            near.setblocking(False)
            await self.loop.sock_connect(near, f"\0carapax-proof-{self.proxy}")
            await self.loop.sock_sendall(near, request.encode(errors="replace"))
            answer = await self.loop.sock_recv(near, 1000)
        if answer.split(b" ")[1:2] in ([b"400"], [b"403"]):
            return REFUSED
        return ", ".join(sorted(set(self.loop.reached[before:]))) or REFUSED


DOORS = ("fetch", "connect", "tunnel", "forwarded", "redirect", "five_redirects")


@contextlib.asynccontextmanager
async def opened(
    loop: Watched, *answers: Sequence[str], kind: type[PublicEgress] = PublicEgress
) -> AsyncIterator[Doors]:
    names = Names(answers)
    doors = Doors(loop, names, kind(EgressConfig(("start.example",)), names))
    redirecting = await asyncio.start_server(_redirect, START, 0)
    async with redirecting, offered(doors.egress) as descriptor:
        doors.redirects = redirecting.sockets[0].getsockname()[1]
        doors.proxy = doors.redirects
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(fileno=os.dup(descriptor)) as out:
            listening.bind(f"\0carapax-proof-{doors.proxy}")
            listening.listen(8)
            listening.setblocking(False)
            socket.send_fds(out, [b"."], [listening.fileno()])
            yield doors


async def _redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends on from /3/x to /2/x, from /1/x to x, and says of the rest that it is not there."""
    path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].split(b"/")
    if len(path) == 3 and path[1].isdigit():
        hops, target = int(path[1]), path[2]
        place = bytes.fromhex(target.decode()) if hops <= 1 else b"/%d/%s" % (hops - 1, target)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: " + place.replace(b"\n", b"").replace(b"\r", b"") + b"\r\n")
        writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    else:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


def _has_port(place: str) -> bool:
    return place.rpartition(":")[2].isdigit() and not place.endswith("]")


def urls_of(door: str) -> list[str]:
    """All of them; through five redirects three of each form, for time."""
    return [url for urls in FORMS.values() for url in (urls[:3] if door == "five_redirects" else urls)]


async def leaks(loop: Watched, kind: type[PublicEgress] = PublicEgress, only: Sequence[str] = DOORS) -> list[str]:
    """What went out, of all that must not, and by which door."""
    found = []
    for number, door in enumerate(only):
        async with opened(loop, [INSIDE[number % len(INSIDE)]], kind=kind) as doors:
            for url in urls_of(door):
                if (went := await getattr(doors, door)(url)) not in (REFUSED, STAYED):
                    found.append(f"{door}: {url[:100]!a} to {went}")
    return found


async def refused_of_good(loop: Watched) -> list[str]:
    found = []
    async with opened(loop, [PUBLIC, PUBLIC_V6]) as doors:
        for url in GOOD:
            written = (await doors.egress.admit(url)).url
            for door in DOORS[:5]:
                asked = url if door in ("fetch", "connect", "redirect") else written
                if door == "forwarded" and not (written.isascii() and written.startswith("http:")):
                    continue  # by such a request only http goes, and a client writes it in ASCII
                if (went := await getattr(doors, door)(asked)) in (REFUSED, STAYED):
                    found.append(f"{door}: {url!a} was {went}")
    return found


def test_no_url_leads_to_an_address_that_is_not_public_by_any_door() -> None:
    count = sum(map(len, FORMS.values()))
    found = watched(leaks)
    figure = shown(
        Figure(
            "S3",
            f"{count} URLs of {len(FORMS)} forms at {len(DOORS)} doors",
            f"{bound(len(found), count)} leak",
            "0",
            not found,
        )
    )
    assert (count >= 940, len(FORMS) >= 64) == (True, True), (count, len(FORMS))
    assert figure.met, found[:20]


def test_good_urls_are_refused_at_no_door() -> None:
    found = watched(refused_of_good)
    figure = shown(Figure("S3", f"{len(GOOD)} good URLs at 5 doors", f"{len(found)} refused", "0 of 200", not found))
    assert len(GOOD) >= 200
    assert figure.met, found[:20]


@pytest.mark.parametrize("inside", INSIDE)
def test_one_address_inside_is_enough_and_a_name_is_asked_for_once(inside: str) -> None:
    """Mixed answers, and answers that change from one question to the next."""

    async def scene(loop: Watched) -> list[str]:
        went = []
        for door in DOORS:
            for answers in ([[PUBLIC, inside]], [[inside, PUBLIC]], [[PUBLIC], [inside]], [[PUBLIC], [PUBLIC, inside]]):
                async with opened(loop, *answers) as doors:
                    went.append(f"{door}: {await getattr(doors, door)('http://rebind.example.com/')}")
        return went

    found = watched(scene)
    assert [verdict for verdict in found if inside in verdict] == []
    assert found == [f"{door}: {verdict}" for door in DOORS for verdict in (REFUSED, REFUSED, PUBLIC, PUBLIC)]
    shown(Figure("S3", f"rebinding and mixed answers with {inside}", "0 reached it", "0", met=True))


def test_planted_the_table_of_the_standard_library_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return not address.is_private

    monkeypatch.setattr(egress_module, "is_public", looks_public)
    assert len(watched(lambda loop: leaks(loop, only=["fetch"]))) > 20


class AskingTwice(PublicEgress):
    """Checks one answer and goes to another."""

    async def connect(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await self.admit(url)
        place = urlsplit(url)
        address = (await self._resolve(str(place.hostname), 80))[0]
        try:
            return await asyncio.open_connection(address, 80)
        except OSError as error:
            raise Unavailable(str(error)) from error


def test_planted_a_name_that_is_asked_for_twice_is_rebound() -> None:
    async def scene(loop: Watched) -> str:
        async with opened(loop, [PUBLIC], ["127.0.0.1"], kind=AskingTwice) as doors:
            return await doors.connect("http://rebind.example.com/")

    assert watched(scene) == "127.0.0.1"
