"""What is released: an index of versions, each a wheel with its checksum."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import msgspec
from msgspec import Struct

from carapax.config import is_loopback
from carapax.errors import CarapaxError, ConfigError, InvalidRequest, NotFound, Unavailable
from carapax.http import Http

_LONGEST_INDEX = 1_000_000
_LONGEST_WHEEL = 300_000_000
_PIECE = 1 << 16
_FINAL = re.compile(r"\d+(?:\.\d+){1,3}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+]{0,40}")
_WHEEL = re.compile(r"carapax-[0-9][0-9A-Za-z.+_]*-py3-none-any\.whl")

Seen = Callable[[int, int], None]
"""Called with how many bytes have come, and how many there are; 0 where that is not known."""


class Release(Struct, frozen=True):
    """A version: where its wheel is, as seen from the index, its SHA-256 in hex, and what is new."""

    version: str
    wheel: str
    sha256: str
    notes: str = ""


class Index(Struct, frozen=True):
    """The document that `[update] url` names."""

    versions: list[Release]


async def read_index(url: str) -> list[Release]:
    """All releases, the newest last; those whose version is no plain one (a beta) first. Raises CarapaxError."""
    async with Http() as http:
        data = b"".join([piece async for piece in _pieces(http, url, _LONGEST_INDEX)])
    try:
        releases = msgspec.json.decode(data, type=Index).versions
    except msgspec.MsgspecError as error:
        raise Unavailable(f"{url} is no index of releases: {error}") from error
    if wrong := [one.version for one in releases if not _VERSION.fullmatch(one.version)]:
        raise Unavailable(f"{url} has a version that is none: {wrong[0]!r}")
    return sorted(releases, key=lambda release: order(release.version))


def order(version: str) -> tuple[int, ...]:
    """What versions are sorted by; betas come before everything."""
    return tuple(map(int, version.split("."))) if is_final(version) else ()


def is_final(version: str) -> bool:
    return _FINAL.fullmatch(version) is not None


def find(releases: list[Release], version: str) -> Release:
    """One of them; without a version the newest that is no beta. Raises NotFound."""
    for release in reversed(releases):
        if release.version == version or (not version and is_final(release.version)):
            return release
    names = ", ".join(release.version for release in releases[-10:]) or "none"
    raise NotFound(f"there is no release {version}".rstrip(), f"there are: {names}")


async def download(url: str, release: Release, folder: Path, seen: Seen) -> Path:
    """The wheel of a release, once its checksum is as the index says. Raises CarapaxError."""
    place = urljoin(url, release.wheel)
    name = unquote(urlsplit(place).path.rpartition("/")[2])
    if not _WHEEL.fullmatch(name):
        raise Unavailable(f"{name!r} is no wheel of Carapax")
    file = folder / name
    digest = sha256()
    async with Http() as http:
        with file.open("wb") as stream:
            async for piece in _pieces(http, place, _LONGEST_WHEEL, seen):
                digest.update(piece)
                stream.write(piece)
    if digest.hexdigest() != release.sha256.lower():
        file.unlink()
        raise CarapaxError(
            f"what came from {place} has not the checksum that the index says",
            "nothing was changed; try again, and tell whoever runs the index if it stays so",
        )
    return file


async def _pieces(http: Http, url: str, most: int, seen: Seen = lambda done, whole: None) -> AsyncIterator[bytes]:
    parts = urlsplit(url)
    done = 0
    if parts.scheme == "file":
        file = Path(unquote(parts.path))
        try:
            data = await asyncio.to_thread(file.read_bytes)
        except OSError as error:
            raise Unavailable(f"{file} cannot be read: {error.strerror}") from error
        for at in range(0, min(len(data), most + 1), _PIECE):
            yield data[at : at + _PIECE]
            seen(min(at + _PIECE, len(data)), len(data))
        return
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ConfigError(
            f"update.url: {url!r} is neither https:// nor file://", "an index by plain http can be forged"
        )
    async with http.request("GET", url) as answer:
        if answer.status != 200:
            raise Unavailable(f"{url} answers with {answer.status}")
        whole = int(answer.headers.get("Content-Length") or 0)
        while piece := await answer.chunk():
            done += len(piece)
            if done > most:
                raise InvalidRequest(f"{url} is longer than {most:,} bytes")
            seen(done, whole)
            yield piece
