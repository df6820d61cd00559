import asyncio

import pytest

from carapax.config import Config, LimitsConfig
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.gateway.raw import connect, statuses
from tests.running import run

QUICK = Config(limits=LimitsConfig(header_timeout_s=0.2, body_timeout_s=0.2))
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
NEXT = b"GET /api/smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


def request(head: bytes, body: bytes = b"") -> bytes:
    return head + b"\r\n" + body


def get(*fields: bytes) -> bytes:
    return request(b"GET /health HTTP/1.1\r\n" + b"".join(field + b"\r\n" for field in fields))


def post(*fields: bytes, body: bytes = b"{}") -> bytes:
    return request(b"POST /rpc HTTP/1.1\r\n" + HOST + JSON + b"".join(field + b"\r\n" for field in fields), body)


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = {
    "two lengths that differ": post(b"Content-Length: 2", b"Content-Length: 3"),
    "a list of lengths": post(b"Content-Length: 2, 3"),
    "a length with a sign": post(b"Content-Length: +2"),
    "a negative length": post(b"Content-Length: -2"),
    "a length in hex": post(b"Content-Length: 0x2"),
    "a length with letters": post(b"Content-Length: 2a"),
    "an empty length": post(b"Content-Length: "),
    "a length with an underscore": post(b"Content-Length: 1_0"),
    "a length in other digits": post("Content-Length: ٢".encode()),
    "an endless length": post(b"Content-Length: 99999999999999999999999999"),
    "a length with space inside": post(b"Content-Length: 1 0"),
    "length and chunks": post(b"Content-Length: 2", CHUNKED, body=b"0\r\n\r\n"),
    "chunks and length": post(CHUNKED, b"Content-Length: 2", body=b"0\r\n\r\n"),
    "chunks not last": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "a coding with a tab": post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n"),
    "a quoted coding": post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "two codings": post(CHUNKED, b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": request(
        b"POST /rpc HTTP/1.0\r\n" + HOST + JSON + CHUNKED + b"\r\nContent-Length: 2\r\n", b"0\r\n\r\n"
    ),
    "a space before the colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "a chunk size with a sign": post(CHUNKED, body=b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size with 0x": post(CHUNKED, body=b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size that is negative": post(CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size that is empty": post(CHUNKED, body=b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk size of letters": post(CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk size that overflows": post(CHUNKED, body=b"fffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "a chunk size with an underscore": post(CHUNKED, body=b"0_2\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than it says": post(CHUNKED, body=b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk without its end": post(CHUNKED, body=b"2\r\n{}0\r\n\r\n"),
    "a chunk ended by LF": post(CHUNKED, body=b"2\n{}\r\n0\r\n\r\n"),
    "no host": get(),
    "two hosts": get(b"Host: localhost", b"Host: localhost"),
    "two hosts that differ": get(b"Host: localhost", b"Host: evil.example"),
    "an empty host": get(b"Host: "),
    "another host": get(b"Host: evil.example"),
    "a host behind ours": get(b"Host: localhost.evil.example"),
    "a host with a user": get(b"Host: localhost@evil.example"),
    "a list of hosts": get(b"Host: evil.example, localhost"),
    "an absolute target": request(b"GET http://evil.example/health HTTP/1.1\r\n" + HOST),
    "an absolute target of ours": request(b"GET http://localhost/health HTTP/1.1\r\n" + HOST),
    "an asterisk": request(b"OPTIONS * HTTP/1.1\r\n" + HOST),
    "a tunnel": request(b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST),
    "a target without slash": request(b"GET health HTTP/1.1\r\n" + HOST),
    "an empty target": request(b"GET  HTTP/1.1\r\n" + HOST),
    "a space in the target": request(b"GET /he alth HTTP/1.1\r\n" + HOST),
    "a null byte in the target": request(b"GET /health\x00 HTTP/1.1\r\n" + HOST),
    "a control character in the target": request(b"GET /health\x01 HTTP/1.1\r\n" + HOST),
    "no version": request(b"GET /health\r\n" + HOST),
    "version 0.9": request(b"GET /health HTTP/0.9\r\n" + HOST),
    "version 2.0": request(b"GET /health HTTP/2.0\r\n" + HOST),
    "version 1.9": request(b"GET /health HTTP/1.9\r\n" + HOST),
    "version in small letters": request(b"GET /health http/1.1\r\n" + HOST),
    "version with more digits": request(b"GET /health HTTP/1.10\r\n" + HOST),
    "a method with a colon": request(b"G:T /health HTTP/1.1\r\n" + HOST),
    "a method in small letters": request(b"get /health HTTP/1.1\r\n" + HOST),
    "a leading space": b" " + get(b"Host: localhost"),
    "a header that goes on": get(b"Host: localhost", b"X-A: 1\r\n 2"),
    "a first header that begins with space": request(b"GET /health HTTP/1.1\r\n X: 1\r\n" + HOST),
    "a header without colon": get(b"Host: localhost", b"nonsense"),
    "a header without name": get(b"Host: localhost", b": 1"),
    "a name with a space": get(b"Host: localhost", b"X A: 1"),
    "a name with a null byte": get(b"Host: localhost", b"X\x00A: 1"),
    "a name beyond ASCII": get(b"Host: localhost", "Ä: 1".encode()),
    "a value with a null byte": get(b"Host: localhost", b"X-A: 1\x002"),
    "a value with a bare CR": get(b"Host: localhost", b"X-A: 1\r2"),
    "a value with a control character": get(b"Host: localhost", b"X-A: \x01"),
    "65 fields": get(b"Host: localhost", *(b"X-%d: 1" % number for number in range(64))),
    "16 KB of fields": get(b"Host: localhost", *(b"X-%d: %b" % (number, b"x" * 4000) for number in range(5))),
    "a long field": get(b"Host: localhost", b"X-A: " + b"x" * 9000),
    "a long target": request(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "a socks greeting": b"\x05\x01\x00" + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


async def answers(gateway: GatewayClient, raw: bytes) -> list[int]:
    async with connect(gateway.url) as connection:
        connection.send(raw + NEXT)
        connection.writer.write_eof()
        return statuses(await connection.read_to_end())


def test_malformed_requests_are_refused_and_nothing_is_smuggled_behind_them() -> None:
    async def main() -> dict[str, list[int]]:
        async with gateway_client(config=QUICK) as gateway:
            return {name: await answers(gateway, raw) for name, raw in REFUSED.items()}

    found = run(main())
    refused_first = {name: given for name, given in found.items() if given and not 400 <= given[0] < 500}
    assert refused_first == {}
    framing = {name: given for name, given in found.items() if len(given) > 1 and name not in WHOLE}
    assert framing == {}


WHOLE = {
    "another host",
    "a host behind ours",
    "a host with a user",
    "a list of hosts",
    "no host",
    "two hosts",
    "two hosts that differ",
    "an empty host",
    "an absolute target",
    "an absolute target of ours",
    "an asterisk",
    "65 fields",
    "16 KB of fields",
}
"""What is well framed, so that the request behind it is one of its own."""


def test_a_plain_request_is_answered() -> None:
    async def main() -> bytes:
        async with gateway_client() as gateway, connect(gateway.url) as connection:
            connection.send(get(b"Host: localhost", b"Connection: close"))
            return await connection.read_to_end()

    answer = run(main())
    assert statuses(answer) == [200]
    assert answer.endswith(b'{"status":"ok"}')


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", []),
        (b"GET /health HTTP/1.1\r\nHost: local", [408]),
        (get(b"Host: localhost") + b"GET /hea", [200, 408]),
    ],
    ids=["silence", "half a head", "half a second head"],
)
def test_a_peer_that_does_not_finish_its_head_is_closed(sent: bytes, told: list[int]) -> None:
    async def main() -> bytes:
        async with gateway_client(config=QUICK) as gateway, connect(gateway.url) as connection:
            if told[:1] == [200]:
                connection.send(sent[: sent.rindex(b"GET")])
                await connection.read_head()
                await connection.reader.readexactly(15)
                connection.send(sent[sent.rindex(b"GET") :])
                return b"HTTP/1.1 200 OK\r\n" + await connection.read_to_end()
            connection.send(sent)
            return await connection.read_to_end()

    assert statuses(run(main())) == told


def test_a_head_that_drips_is_closed_at_the_deadline() -> None:
    async def main() -> list[int]:
        async with gateway_client(config=QUICK) as gateway, connect(gateway.url) as connection:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(connection.read_to_end())
                for byte in get(b"Host: localhost", b"X-A: " + b"x" * 2000):
                    connection.send(bytes([byte]))
                    await asyncio.wait([reading], timeout=0.01)
                    if reading.done():
                        break
            return statuses(reading.result())

    assert run(main()) == [408]


def test_a_body_that_does_not_come_is_answered_with_408() -> None:
    async def main() -> bytes:
        async with gateway_client(config=QUICK) as gateway, connect(gateway.url) as connection:
            connection.send(post(b"Content-Length: 100", body=b"{"))
            return await connection.read_to_end()

    assert statuses(run(main())) == [408]


def test_a_body_that_is_too_long_is_refused_before_it_is_read() -> None:
    async def main() -> bytes:
        async with gateway_client(config=QUICK) as gateway, connect(gateway.url) as connection:
            connection.send(post(b"Content-Length: 100000000", body=b""))
            return await connection.read_to_end()

    assert statuses(run(main())) == [413]


@pytest.mark.parametrize(("expected", "told"), [(b"100-continue", [100, 200]), (b"200-ok", [400])])
def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(expected: bytes, told: list[int]) -> None:
    async def main() -> list[int]:
        async with gateway_client() as gateway, connect(gateway.url) as connection:
            body = b'{"jsonrpc":"2.0","id":1,"method":"health"}'
            length = b"Content-Length: %d" % len(body)
            connection.send(post(length, b"Connection: close", b"Expect: " + expected, body=b""))
            answer = await connection.read_head()
            connection.send(body)
            return statuses(answer + await connection.read_to_end())

    assert run(main()) == told


def test_a_hundred_slow_peers_do_not_keep_a_healthy_one_waiting() -> None:
    async def main() -> str:
        async with gateway_client(config=QUICK) as gateway, asyncio.TaskGroup() as group:

            async def drip() -> None:
                async with connect(gateway.url) as connection:
                    connection.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ")
                    await connection.read_to_end()

            for _ in range(100):
                group.create_task(drip())
            async with gateway.call("GET", "/health") as response:
                return await response.text()

    assert run(main()) == '{"status":"ok"}'
