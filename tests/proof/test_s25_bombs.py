"""S25: what is small and becomes large, or takes long, costs neither memory nor time, wherever we read from outside.

Carapax unpacks no archives, decodes no images and reads no PDFs: it tells the kind of a file by its first bytes.
What it does unpack is gzip of fetched pages.
"""

import asyncio
import ctypes
import gc
import gzip
import io
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from pathlib import Path

import pytest
from aiohttp import ClientError, web
from msgspec import Struct

import carapax.egress
from carapax.config import EgressConfig
from carapax.egress import PublicEgress
from carapax.errors import CarapaxError
from carapax.mediatype import media_type
from carapax.models.eventstream import EventStreamParser
from carapax.models.ndjson import NdjsonParser
from carapax.models.sse import SseParser
from carapax.testing.gateway import GatewayClient, gateway_client
from carapax.tools import web_fetch
from carapax.webpage import readable
from tests.proof.figures import Figure, bound, shown
from tests.running import run
from tests.tools.calling import called

MOST_MB, MOST_S = 32.0, 2.0
MB = 1 << 20

Bomb = Callable[[], Awaitable[object]]


class Burst(Struct, frozen=True):
    """What a bomb cost: megabytes beyond what was used before, at the highest, and seconds of the processor."""

    name: str
    megabytes: float
    seconds: float

    @property
    def went_off(self) -> bool:
        """Whether it cost more than it may."""
        return self.megabytes > MOST_MB or self.seconds > MOST_S


def _memory(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(field + ":")[2].split()[0]) << 10


def _count_anew() -> None:
    """From now on the highest use of memory is counted (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


async def burst(name: str, bomb: Bomb) -> Burst:
    """Let it off."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    _count_anew()
    before, begun = _memory("VmRSS"), time.process_time()
    async with asyncio.timeout(60):
        with suppress(CarapaxError, RuntimeError, ClientError):
            await bomb()
    return Burst(name, (_memory("VmHWM") - before) / MB, time.process_time() - begun)


LAUGHS = (
    b"<!DOCTYPE x ["
    + b"".join(b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 12))
    + b"]><x>&a11;</x>"
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
DEEP = 400_000


@cache
def zeros() -> bytes:
    """A quarter of a gigabyte, packed when it is needed first."""
    return gzip.compress(b"\0" * (256 * MB), 9)


@cache
def made() -> dict[str, tuple[bytes, dict[str, str]]]:
    """Pages: what a server answers with, and its headers."""
    spaces = gzip.compress(b"<p>" + b" " * (128 * MB), 9)
    twice = gzip.compress(gzip.compress(b"\0" * (64 * MB), 9), 9)
    return {
        "zeros in gzip": (zeros(), {"Content-Encoding": "gzip", "Content-Type": "text/plain"}),
        "spaces in gzip": (spaces, {"Content-Encoding": "gzip", "Content-Type": "text/html"}),
        "gzip in gzip": (twice, {"Content-Encoding": "gzip, gzip", "Content-Type": "text/plain"}),
        "gzip in gzip, told once": (twice, {"Content-Encoding": "gzip", "Content-Type": "text/plain"}),
        "many empty members": (gzip.compress(b"") * 40_000, {"Content-Encoding": "gzip", "Content-Type": "text/plain"}),
        "another packing": (zlib.compress(b"\0" * (64 * MB), 9), {"Content-Encoding": "deflate"}),
        "a packing nobody asked for": (zeros(), {"Content-Encoding": "br"}),
        "a cut archive": (zeros()[: len(zeros()) // 2], {"Content-Encoding": "gzip", "Content-Type": "text/plain"}),
        "an archive": (b"PK\3\4" + b"\0" * MB, {"Content-Type": "application/zip"}),
        "an archive that says it is text": (b"PK\3\4" + b"\0" * MB, {"Content-Type": "text/plain"}),
        "deep elements": (b"<div>" * DEEP, {"Content-Type": "text/html"}),
        "deep lists": (b"<ul><li>" * (DEEP // 2), {"Content-Type": "text/html"}),
        "deep tables": (b"<table><tr><td>" * (DEEP // 4), {"Content-Type": "text/html"}),
        "deep links": (b'<a href="x">' * (DEEP // 4), {"Content-Type": "text/html"}),
        "deep quotations": (b"<blockquote>" * (DEEP // 4) + b"x", {"Content-Type": "text/html"}),
        "a tag without end": (b"<div " + b"a=b " * DEEP, {"Content-Type": "text/html"}),
        "a value without end": (b'<a href="' + b"x" * MB, {"Content-Type": "text/html"}),
        "comments without end": (b"<!--" * DEEP, {"Content-Type": "text/html"}),
        "scripts without end": (b"<script>" * (DEEP // 2), {"Content-Type": "text/html"}),
        "titles without end": (b"<title>" * (DEEP // 2), {"Content-Type": "text/html"}),
        "angle brackets": (b"<" * MB, {"Content-Type": "text/html"}),
        "ampersands": (b"&" * MB, {"Content-Type": "text/html"}),
        "references": (b"&#99999999999999999999;" * (DEEP // 8), {"Content-Type": "text/html"}),
        "a long reference": (b"&#" + b"9" * MB + b";", {"Content-Type": "text/html"}),
        "entities of entities": (LAUGHS, {"Content-Type": "application/xml"}),
        "entities of entities, as a page": (LAUGHS, {"Content-Type": "text/html"}),
        "an entity of another file": (OUTSIDE, {"Content-Type": "application/xhtml+xml"}),
        "deep XML": (b"<a>" * DEEP, {"Content-Type": "application/xml"}),
        "deep JSON": (b"[" * MB, {"Content-Type": "application/json"}),
        "a long number": (b"9" * MB, {"Content-Type": "application/json"}),
        "deep YAML": (b"- " * DEEP, {"Content-Type": "application/yaml"}),
        "YAML that repeats itself": (
            b"a: &a [x,x]\n" + b"".join(b"a%d: &a%d [*a,*a]\n" % (n, n) for n in range(9999)),
            {"Content-Type": "application/yaml"},
        ),
        "an encoding that is slow": (b"a-" * DEEP, {"Content-Type": "text/html; charset=punycode"}),
        "an encoding of domains": (b"a." * DEEP, {"Content-Type": "text/html; charset=idna"}),
        "an encoding that unpacks": (zlib.compress(b"\0" * (64 * MB)), {"Content-Type": "text/html; charset=zlib"}),
        "an encoding of wide letters": (b"\xff\xfe" + b"<" * MB, {"Content-Type": "text/html"}),
        "a drawing": (b"<svg>" + b"<g>" * DEEP, {"Content-Type": "image/svg+xml"}),
    }


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """Serves the pages by their number, and floods that never end."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.strip("/")
        if name.isdigit():
            body, headers = list(made().values())[int(name)]
            return web.Response(body=body, headers=headers)
        if name == "redirects":
            return web.Response(status=302, headers={"Location": "/redirects"})
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65_536)
        return response

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _fetched(url: str) -> object:
    egress = PublicEgress(EgressConfig(("127.0.0.1/32",)))
    return await called(web_fetch.EXTENSION, web_fetch.Config(), egress=egress, url=url)


async def pages() -> list[Burst]:
    async with serving() as port:
        found = [await burst(name, partial(_fetched, f"http://127.0.0.1:{port}/{n}")) for n, name in enumerate(made())]
        for name in ("redirects", "flood"):
            found.append(await burst(name, partial(_fetched, f"http://127.0.0.1:{port}/{name}")))
    return found


def _bodies() -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Requests: a name, a path, a body, headers."""
    json, lines = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
    packed, files = {"Content-Encoding": "gzip"}, {"Content-Type": "application/octet-stream"}
    call = b'{"jsonrpc":"2.0","id":1,"method":"health","params":%s}'
    for door, path in (("RPC", "/rpc"), ("REST", "/api/sessions"), ("completions", "/v1/chat/completions")):
        yield f"deep lists to {door}", path, b"[" * 900_000, json
        yield f"deep objects to {door}", path, b'{"a":' * 150_000, json
        yield f"a long number to {door}", path, call % (b"9" * 900_000), json
        yield f"a packed body to {door}", path, zeros()[:MB], {**json, **packed}
    yield "an exponent", "/rpc", call % b"1e999999999", json
    yield "many names", "/rpc", call % (b"{" + b",".join(b'"%d":0' % n for n in range(60_000)) + b"}"), json
    yield "many calls", "/rpc", b"[" + b",".join([call % b"{}"] * 9000) + b"]", json
    yield "many escapes", "/rpc", call % (b'["' + b"\\u0041" * 140_000 + b'"]'), json
    yield "too long a file in base64", "/rpc", call % (b'"' + b"A" * (4 * MB) + b'"'), json
    message = b'{"model":"main","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"%s"}}]}]}'
    picture = message % (b"data:image/png;base64," + b"A" * (6 * MB))
    yield "too long a picture", "/v1/chat/completions", picture, json
    huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x06\0\0\0"
    yield "a picture that says it is huge", "/api/files?name=a.png", huge, files
    kids = b"%PDF-1.7\n" + b"1 0 obj<</Kids[1 0 R 1 0 R]>>endobj\n" * 9999
    yield "a document of itself", "/api/files?name=a.pdf", kids, files
    yield "an archive as a file", "/api/files?name=../../a.zip", b"PK\3\4" + b"\0" * MB, files
    yield "one long line of a session", "/api/imports", b'{"seq":1,"x":"' + b"x" * (3 * MB) + b'"}\n', lines
    yield "deep lines of a session", "/api/imports", b"[" * (2 * MB) + b"\n", lines
    yield "empty lines of a session", "/api/imports", b"\n" * (2 * MB), lines
    yield "a packed session", "/api/imports", zeros()[:MB], {**lines, **packed}


async def _sent(client: GatewayClient, path: str, body: bytes, headers: dict[str, str]) -> object:
    async with client.call("POST", path, data=io.BytesIO(body), headers=headers) as response:
        assert response.status != 500
        return await response.read()


async def requests() -> list[Burst]:
    async with gateway_client() as client:
        return [
            await burst(name, partial(_sent, client, path, body, headers)) for name, path, body, headers in _bodies()
        ]


async def _fed(parser: SseParser | NdjsonParser | EventStreamParser, chunk: bytes, times: int) -> object:
    for _ in range(times):
        parser.feed(chunk)
    return None


async def streams() -> list[Burst]:
    """What a vendor's server may send: lines and events that never end."""
    floods: dict[str, tuple[SseParser | NdjsonParser | EventStreamParser, bytes]] = {
        "a line of events without end": (SseParser(), b"x" * 65_536),
        "an event without end": (SseParser(), b"data: xxxxxxxxxxxxxxxxxxxx\n" * 2000),
        "comments without end": (SseParser(), b": x\n" * 10_000),
        "a line of JSON without end": (NdjsonParser(), b"[" * 65_536),
        "a message that says it is huge": (EventStreamParser(), b"\x7f\xff\xff\xff\0\0\0\0\0\0\0\0" * 5000),
    }
    return [await burst(name, partial(_fed, p, c, 300)) for name, (p, c) in floods.items()]


async def _all() -> list[Burst]:
    return [*await pages(), *await requests(), *await streams()]


def test_no_bomb_goes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(_all(), within_s=200)
    loud = [one for one in found if one.went_off]
    memory, seconds = max(one.megabytes for one in found), max(one.seconds for one in found)
    value = f"{bound(len(loud), len(found))}, at most {memory:.0f} MB and {seconds:.2f} s"
    shown(Figure("S25", "bombs that went off", value, "0 of at least 60, 32 MB, 2 s", not loud and len(found) >= 60))
    assert loud == []
    assert len(found) >= 60
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_judged_by_its_first_bytes_alone() -> None:
    assert media_type(b"PK\3\4" + b"\0" * 100, "application/zip") == "application/zip"
    assert run(burst("a file", partial(_judged, b"\x89PNG\r\n\x1a\n" + b"\0" * MB))).went_off is False


async def _judged(data: bytes) -> object:
    return media_type(data)


def test_the_bombs_find_who_unpacks_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def whole(response: object, max_bytes: int) -> tuple[bytes, bool]:
        return gzip.decompress(zeros())[:max_bytes], False

    monkeypatch.setattr(carapax.egress, "_body", whole)

    async def scene() -> Burst:
        async with serving() as port:
            return await burst("zeros in gzip", partial(_fetched, f"http://127.0.0.1:{port}/0"))

    assert run(scene()).went_off


def test_the_bombs_find_who_is_slow() -> None:
    async def slow() -> object:
        end = time.process_time() + MOST_S + 0.3
        return [readable(b"<p>" * 1000) for _ in iter(lambda: time.process_time() > end, True)]

    assert run(burst("slow", slow)).went_off
