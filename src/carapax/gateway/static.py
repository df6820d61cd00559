"""The files of the web page, by exact name: no path leads anywhere else."""

import gzip
import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from aiohttp import hdrs, web

from carapax.gateway.responses import COMMON

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_PACKED = {".png", ".ico", ".woff2"}
_LEAST_BYTES = 500
_IMPORT = re.compile(r'^(?:import|export)\b[^;]*?"(\.{1,2}/[\w./-]+\.js)";', re.MULTILINE)
_MODULE = re.compile(r'<script type="module" src="([\w./-]+)">')
_REFUSES_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


class _File(NamedTuple):
    body: bytes
    tag: str
    packed: bytes | None


class Static:
    """Serves the files below a folder that have a type in the table; `/` is `index.html`. Each is read once, and
    compressed where that helps. A page says which modules its own ones import, so that all are asked for at once."""

    def __init__(self, folder: Path) -> None:
        self._paths = {
            "/" + path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES and path.is_file() and not path.is_symlink()
        }
        if "/index.html" in self._paths:
            self._paths["/"] = self._paths["/index.html"]
        self._folder = folder
        self._read: dict[Path, _File] = {}

    def has(self, path: str) -> bool:
        return path in self._paths

    def respond(self, request: web.BaseRequest) -> web.Response:
        """The file, or 304 when the caller has it. Browsers keep it and ask each time whether it changed."""
        path = self._paths[request.path]
        file = self._file(path)
        packed = file.packed if _takes_gzip(request) else None
        tag = f'"{file.tag}{"-gzip" if packed else ""}"'
        headers = {**COMMON, hdrs.ETAG: tag, hdrs.CACHE_CONTROL: "no-cache"}
        if file.packed is not None:
            headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = _TYPES[path.suffix]
        if packed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=packed or file.body, headers=headers)

    def _file(self, path: Path) -> _File:
        if path not in self._read:
            body = path.read_bytes()
            if path.suffix == ".html":
                body = self._with_preloads(body.decode()).encode()
            is_packed = path.suffix in _PACKED or len(body) < _LEAST_BYTES
            tag = hashlib.sha256(body).hexdigest()[:32]
            self._read[path] = _File(body, tag, None if is_packed else gzip.compress(body, 9, mtime=0))
        return self._read[path]

    def _with_preloads(self, page: str) -> str:
        """The page with a link to each module that its own modules import, directly or not."""
        found = {path: None for script in _MODULE.findall(page) for path in self._imported(self._folder / script)}
        links = [f'  <link rel="modulepreload" href="{path.relative_to(self._folder).as_posix()}">\n' for path in found]
        return page.replace("</head>", f"{''.join(links)}</head>")

    def _imported(self, module: Path) -> list[Path]:
        found: dict[Path, None] = {}
        left = [module]
        while left:
            path = left.pop(0)
            if path in self._paths.values() and path not in found:
                found[path] = None
                names = _IMPORT.findall(path.read_text(encoding="utf-8"))
                left += [Path(os.path.normpath(path.parent / name)) for name in names]
        return list(found)


def _takes_gzip(request: web.BaseRequest) -> bool:
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
    return "gzip" in accepted and not _REFUSES_GZIP.search(accepted)
