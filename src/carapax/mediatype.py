"""What a file is, by its first bytes rather than by what is said of it."""

import codecs
import re

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
PDF = "application/pdf"
BINARY = "application/octet-stream"
_AT_ONCE = 1 << 20
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/toml", "application/javascript")
_TYPE = re.compile(r"([a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,120}) *(;|$)")


def media_type(data: bytes | bytearray, declared: str = "") -> str:
    """The media type: of an image or a PDF by its signature, of text what was `declared` if that is a kind of text,
    and of all else what was declared, unless that is one of the others."""
    known = _signature(data)
    if known:
        return known
    said = _TYPE.match(declared.strip().lower())
    kind = said[1] if said else ""
    if _is_written(data):
        return kind if is_text(kind) else "text/plain"
    return kind if kind and not is_text(kind) and kind != PDF and not kind.startswith("image/") else BINARY


def is_text(kind: str) -> bool:
    """Whether a media type is one of text that can be read as it is."""
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml", "+yaml"))


def _signature(data: bytes | bytearray) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return PDF if data[:1024].lstrip().startswith(b"%PDF-") else ""


def _is_written(data: bytes | bytearray) -> bool:
    if b"\0" in data:
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _AT_ONCE):
            decoder.decode(data[start : start + _AT_ONCE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
