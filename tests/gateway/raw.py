"""Bytes over TCP, for what no HTTP client would send."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import urlsplit


class RawConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def stop_reading(self) -> None:
        """Take nothing more from the network until `read_on`."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def read_on(self) -> None:
        cast(asyncio.Transport, self.writer.transport).resume_reading()

    async def read_to_end(self, within_s: float = 30) -> bytes:
        """All until the peer closes, also what came before a reset. Raises TimeoutError when it does not."""
        whole = b""
        async with asyncio.timeout(within_s):
            with suppress(ConnectionResetError):
                while piece := await self.reader.read(65_536):
                    whole += piece
        return whole

    async def read_head(self, within_s: float = 30) -> bytes:
        async with asyncio.timeout(within_s):
            return await self.reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def connect(url: str) -> AsyncGenerator[RawConnection, None]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


def statuses(answer: bytes) -> list[int]:
    """The statuses of all responses in what a server sent."""
    return [int(line.split(b" ", 2)[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


async def burst(ask: Callable[[], Awaitable[bool]], a_minute: int) -> int:
    """How many are answered one after the other until one is refused, but for those that came to be allowed meanwhile,
    where so many are allowed `a_minute`."""
    loop, count = asyncio.get_running_loop(), 0
    begun = loop.time()
    while await ask():
        count += 1
    meanwhile = int((loop.time() - begun) * a_minute / 60)
    return max(count - meanwhile, min(count, a_minute))


async def eventually(holds: Callable[[], bool], within_s: float = 30) -> None:
    """Wait for a condition. Raises TimeoutError."""
    for _ in range(int(within_s / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("the condition never held")
