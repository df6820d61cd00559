"""What commands in a sandbox reach of a network, for every sandbox that has a relaxed level; Python is in there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from carapax.contracts import Sandbox


@contextlib.asynccontextmanager
async def page() -> AsyncIterator[int]:
    """The port of this machine's loopback at which there is a page that says "page"."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def told(sandbox: Sandbox, script: str, port: int) -> str:
    """What a Python script in a sandbox says, to which PORT is known."""
    command = ["python3", "-c", f"import os, socket, urllib.request as u\nPORT = {port}\n{script}"]
    return (await sandbox.exec(command, timeout_s=20, max_output=5000)).output


FETCH = """
for name in ("no_proxy", "NO_PROXY"):
    del os.environ[name]
handler = u.ProxyHandler({"http": os.environ["http_proxy"]})
try:
    print(u.build_opener(handler).open(f"http://127.0.0.1:{PORT}/", timeout=10).read().decode())
except u.HTTPError as error:
    print(error.code, error.read().decode())
"""
DIRECT = """
for kind, place in ((socket.SOCK_STREAM, ("127.0.0.1", PORT)), (socket.SOCK_STREAM, ("1.1.1.1", 443)),
                    (socket.SOCK_DGRAM, ("1.1.1.1", 53))):
    try:
        socket.socket(socket.AF_INET, kind).connect(place)
        print("reached", place)
    except OSError as error:
        print(error.errno)
"""
