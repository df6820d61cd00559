"""Pictures of a page: what is in them, and small files of them."""

import base64
import struct
import zlib

from msgspec import Struct

from tests.web.browser import Browser

_COUNT = """
const bytes = Uint8Array.from(atob(given[0]), (each) => each.charCodeAt(0));
const image = await createImageBitmap(new Blob([bytes]));
const width = Math.round(image.width / given[1]), height = Math.round(image.height / given[1]);
const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
context.drawImage(image, 0, 0, width, height);
const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
const counts = new Map();
for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
const colours = [...counts].sort((one, other) => other[1] - one[1]);
"""
_SEEN = f"""{_COUNT}
const light = (pixel) => ((pixel & 255) + (pixel >> 8 & 255) + (pixel >> 16 & 255)) / 765;
const sum = colours.reduce((sum, [pixel, count]) => sum + light(pixel) * count, 0);
const drawn = 1 - colours[0][1] / pixels.length;
return {{ width: image.width, height: image.height, drawn, light: sum / pixels.length }};
"""
_INDEXED = f"""{_COUNT}
const palette = [];
const nearest = new Map();
for (const [pixel] of colours) {{
    const wanted = [pixel & 255, pixel >> 8 & 255, pixel >> 16 & 255];
    let best = -1, least = Infinity;
    for (const [at, known] of palette.entries()) {{
        const far = (wanted[0] - known[0]) ** 2 + (wanted[1] - known[1]) ** 2 + (wanted[2] - known[2]) ** 2;
        if (far < least) [best, least] = [at, far];
    }}
    const isNew = palette.length < 128 || (palette.length < 256 && least > 500);
    nearest.set(pixel, isNew ? palette.push(wanted) - 1 : best);
}}
let text = "";
for (const pixel of pixels) text += String.fromCharCode(nearest.get(pixel));
return {{ width, height, palette: palette.flat(), pixels: btoa(text) }};
"""


class Seen(Struct, frozen=True):
    """What is in a picture, in pixels: `drawn` is the part that has not its commonest colour, `light` their mean
    lightness; both from 0 to 1."""

    width: int
    height: int
    drawn: float
    light: float


def shot(browser: Browser) -> bytes:
    """The window as a PNG, two frames after the last change, so that all is drawn."""
    browser.run("await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    taken = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})
    return base64.b64decode(taken["data"])


def seen(browser: Browser, png: bytes) -> Seen:
    """At a quarter of its size, which is quick and says as much."""
    found = browser.run(_SEEN, base64.b64encode(png).decode(), 4)
    assert isinstance(found, dict)
    return Seen(**found)


def small(browser: Browser, png: bytes) -> bytes:
    """The same picture in 256 colours: the commonest, and others that are unlike these."""
    found = browser.run(_INDEXED, base64.b64encode(png).decode(), 1)
    assert isinstance(found, dict)
    width, height = found["width"], found["height"]
    pixels = base64.b64decode(found["pixels"])
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", bytes(found["palette"])), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
