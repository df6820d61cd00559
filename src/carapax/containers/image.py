"""The image of a sandbox: a base, packages, and the user that commands run as. Its tag is the hash of its recipe."""

import hashlib
import io
import re
import tarfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from io import BufferedReader
from pathlib import Path

import msgspec
from msgspec import Struct

from carapax.containers.container import USER, WORKSPACE
from carapax.containers.engine import Engine
from carapax.errors import ConfigError, NotFound, Unavailable

NAME = "carapax-sandbox"
_BASE = "carapax-base"
_LABEL = "carapax.sandbox"
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:=~-]*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_CHUNK = 1 << 20
_ADDED = "added.tar"
_ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/:/bin/sh\nagent:x:{USER}:{USER}:agent:{WORKSPACE}:/bin/sh\n",
    "etc/group": f"root:x:0:\nagent:x:{USER}:\n",
}
# Whatever the distribution: its own program is the one that is there.
_INSTALL = (
    "set -e; if command -v apt-get; then apt-get update; DEBIAN_FRONTEND=noninteractive apt-get install -y"
    ' --no-install-recommends "$@"; rm -rf /var/lib/apt/lists/*; elif command -v apk; then apk add --no-cache "$@";'
    ' elif command -v dnf; then dnf install -y "$@"; dnf clean all; else echo "no apt-get, apk or dnf" >&2; exit 1; fi'
)


class Recipe(Struct, frozen=True):
    """What an image is made of. `base` is the name of an image, or the file of a root file system as a tar archive, of
    which `digest` is the hash."""

    base: str
    digest: str
    packages: tuple[str, ...]
    commands: tuple[str, ...]

    @classmethod
    def of(cls, base: str, packages: Sequence[str], commands: Sequence[str]) -> "Recipe":
        """Raises ConfigError for what cannot be a base or a package."""
        for package in packages:
            if not _PACKAGE.fullmatch(package):
                raise ConfigError(f"[sandboxes.docker] packages: {package!r} is no name of a package")
        if not is_archive(base):
            if not _IMAGE.fullmatch(base):
                raise ConfigError(f"[sandboxes.docker] base: {base!r} is no name of an image")
            return cls(base, "", tuple(sorted(set(packages))), tuple(commands))
        try:
            if not Path(base).expanduser().is_file():
                raise ConfigError(f"[sandboxes.docker] base: {base!r} is no file")
            with _archive(base) as archive:
                digest = hashlib.file_digest(archive, "sha256").hexdigest()
        except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows whose home ~name is
            raise ConfigError(f"[sandboxes.docker] base: {base}: {error}") from error
        return cls(base, digest, tuple(sorted(set(packages))), tuple(commands))

    @property
    def tag(self) -> str:
        """The image's name, which is another for every other recipe."""
        return f"{NAME}:{hashlib.sha256(_context(self)).hexdigest()[:16]}"

    @property
    def parent(self) -> str:
        """The name of the image it begins with."""
        return f"{_BASE}:{self.digest}" if self.digest else self.base

    def dockerfile(self) -> str:
        """The recipe as engines take it."""
        steps: list[Sequence[str]] = [["/bin/sh", "-c", _INSTALL, "sh", *self.packages]] if self.packages else []
        steps += [["/bin/sh", "-c", command] for command in self.commands]
        runs = [f"RUN {msgspec.json.encode(step).decode()}\n" for step in steps]
        return f"FROM {self.parent}\nUSER 0:0\n{''.join(runs)}ADD {_ADDED} /\n"


def _archive(base: str) -> BufferedReader:
    return Path(base).expanduser().open("rb")


def is_archive(base: str) -> bool:
    """Whether a base is a file, not the name of an image."""
    return base.startswith(("/", "./", "../", "~")) or base.endswith(".tar")


async def exists(engine: Engine, tag: str) -> bool:
    """Whether the engine has an image."""
    try:
        await engine.call("GET", f"/images/{tag}/json")
    except NotFound:
        return False
    return True


async def build(
    engine: Engine, recipe: Recipe, labels: dict[str, str], said: Callable[[str], None], *, anew: bool = False
) -> None:
    """Make the image, its base fetched or imported where it is missing; `anew` fetches base and packages in any case.
    `said` gets each line of progress.

    Raises Unavailable with what went wrong.
    """
    if recipe.digest and not await exists(engine, recipe.parent):
        name, _, tag = recipe.parent.partition(":")
        said(f"importing {recipe.base}\n")
        marked = " ".join(f"{label}={value}" for label, value in {**labels, _LABEL: "base"}.items())
        query = {"fromSrc": "-", "repo": name, "tag": tag, "changes": f"LABEL {marked}"}
        await _followed(engine, "/images/create", query, _read(recipe.base), said)
    elif not recipe.digest and (anew or not await exists(engine, recipe.parent)):
        said(f"fetching {recipe.base}\n")
        name, _, tag = recipe.base.partition(":") if "@" not in recipe.base else (recipe.base, "", "")
        await _followed(engine, "/images/create", {"fromImage": name, "tag": tag or "latest"}, b"", said)
    marks = msgspec.json.encode({**labels, _LABEL: "image"}).decode()
    query = {"t": recipe.tag, "labels": marks, "rm": "1", "forcerm": "1", "nocache": "1" if anew else "0"}
    await _followed(engine, "/build", query, _context(recipe), said)


async def _followed(
    engine: Engine, path: str, query: dict[str, str], data: AsyncIterator[bytes] | bytes, said: Callable[[str], None]
) -> None:
    async for line in engine.upload(path, query=query, data=data):
        progress = msgspec.json.decode(line, type=_Progress) if line.strip() else _Progress()
        if progress.error:
            raise Unavailable(
                f"the image of the sandbox could not be made: {progress.error}",
                "carapax sandbox build shows all of it; [sandboxes.docker] base and packages say what it is made of",
            )
        if progress.stream or progress.status:
            said(progress.stream or f"{progress.status} {progress.id}".rstrip() + "\n")


class _Progress(Struct):
    stream: str = ""
    status: str = ""
    id: str = ""
    error: str = ""


def _context(recipe: Recipe) -> bytes:
    """What is sent for a build: the recipe, and what it adds to the base."""
    return _archived([_file("Dockerfile", recipe.dockerfile().encode()), _file(_ADDED, _added())])


def _added() -> bytes:
    """The accounts, a /tmp for everybody, for engines mount another over it with the same mode, and the workspace."""
    folders = [_folder("etc", 0o755), _folder("tmp", 0o1777), _folder(WORKSPACE.lstrip("/"), 0o700, owner=USER)]
    return _archived([*folders, *(_file(name, text.encode()) for name, text in _ACCOUNTS.items())])


def _archived(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _folder(name: str, mode: int, *, owner: int = 0) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
    return entry, b""


def _file(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    return entry, content


async def _read(base: str) -> AsyncIterator[bytes]:
    with _archive(base) as archive:
        while piece := archive.read(_CHUNK):
            yield piece
