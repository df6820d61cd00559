"""Files that come with messages: kept once, and named by messages through their digest."""

from base64 import b64decode
from typing import Annotated

from msgspec import Meta, Struct

from carapax.api.fields import Name
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.errors import InvalidRequest
from carapax.messages import Attachment
from carapax.sessions.intake import check_name

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hex."""

Base64 = Annotated[
    str,
    Meta(pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"),
]
"""At least one byte."""


class AddFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file.

    data: its bytes, in base64
    name: what it is called
    media_type: what it is, where that cannot be seen from its bytes
    """

    data: Base64
    name: Name = ""
    media_type: Name = ""


class FileSaved(Struct, frozen=True):
    """A file as it is kept.

    digest: SHA-256 of its bytes in hex, by which messages name it
    name: what it is called
    media_type: what it is, by its bytes
    size: its bytes
    """

    digest: str
    name: str
    media_type: str
    size: int


class FileWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Which file.

    digest: SHA-256 of its bytes in hex
    """

    digest: Digest


class FileContent(Struct, frozen=True):
    """A file with its bytes.

    digest: SHA-256 of its bytes in hex
    media_type: what it is, by its bytes
    data: its bytes, in base64
    """

    digest: str
    media_type: str
    data: bytes


class AttachedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that comes with a message.

    digest: SHA-256 of its bytes in hex, as `file.add` gave it
    name: what it is called
    """

    digest: Digest
    name: Name = ""


@operation("file.add", scope="write", method="POST", path="/api/files", status=201)
async def add(services: Services, params: AddFile) -> FileSaved:
    """Keep a file, so that messages can name it; one that none names is forgotten after a day. Over REST a body of any
    type but JSON is the file itself, and `?name=` what it is called."""
    return await save(services, params.name, b64decode(params.data), params.media_type)


@operation("file.get", scope="read", path="/api/files/{digest}", raises=(404,))
async def get(services: Services, params: FileWanted) -> FileContent:
    """Read a file back. Over REST it comes as it is, unless JSON is asked for."""
    found = await services.files.find(params.digest)
    return FileContent(found.digest, found.media_type, await services.files.read(params.digest))


async def save(services: Services, name: str, data: bytes | bytearray, media_type: str) -> FileSaved:
    """Keep a file. Raises InvalidRequest for one that is empty or too long, or whose name does not show."""
    longest = services.config.limits.attachment_bytes
    if not data:
        raise InvalidRequest("the file is empty", "send its bytes")
    if len(data) > longest:
        raise InvalidRequest(f"the file has {len(data)} bytes, more than {longest}", "send a shorter one")
    check_name("name", name)
    kept = await services.files.add(name, data, media_type)
    return FileSaved(kept.digest, kept.name, kept.media_type, kept.size)


async def attached(services: Services, files: tuple[AttachedFile, ...]) -> tuple[Attachment, ...]:
    """The files that a message names. Raises NotFound for one that is not kept."""
    return tuple([await services.files.find(file.digest, file.name) for file in files])
