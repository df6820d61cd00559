import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.mediatype import IMAGES, PDF, is_text, media_type

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    ("data", "declared", "kind"),
    [
        (PNG, "text/html", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "", "image/jpeg"),
        (b"GIF89a\x01\0", "application/pdf", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/png", "image/webp"),
        (b"%PDF-1.7\n%\xe2\xe3", "application/octet-stream", "application/pdf"),
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "text/csv"),
        (b'{"a": 1}', "application/json", "application/json"),
        (b"<svg/>", "image/svg+xml", "image/svg+xml"),
        (b"no image", "image/png", "text/plain"),
        (b"plain", "", "text/plain"),
        (b"PK\x03\x04\0\0", "application/zip", "application/zip"),
        (b"\0\x01\x02", "image/png", "application/octet-stream"),
        (b"\xff\xfe", "text/plain", "application/octet-stream"),
        (b"\0", "nonsense", "application/octet-stream"),
        (b"\0", "application/x y", "application/octet-stream"),
        (b"plain", "text/x\r\nx-more: y", "text/plain"),
        (b"plain", "text/\u202etxt", "text/plain"),
        (b"plain", "text/" + "x" * 1000, "text/plain"),
    ],
)
def test_a_file_is_what_its_bytes_say(data: bytes, declared: str, kind: str) -> None:
    assert media_type(data, declared) == kind


@given(st.binary(max_size=40), st.sampled_from(["", "text/plain", "image/png", PDF, "application/zip", ";", "a/b;c"]))
def test_nothing_passes_as_an_image_or_text_that_is_none(data: bytes, declared: str) -> None:
    kind = media_type(data, declared)
    assert "/" in kind
    if is_text(kind):
        data.decode()
    assert kind not in IMAGES or data[:4] in (b"\x89PNG", b"GIF8", b"RIFF") or data[:3] == b"\xff\xd8\xff"
