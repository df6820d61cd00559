"""The files of the web page, by exact name: no path leads anywhere else."""

import hashlib
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


class _File(NamedTuple):
    body: bytes
    tag: str


class Static:
    """Serves the files below a folder that have a type in the table; `/` is `index.html`. Each is read once."""

    def __init__(self, folder: Path) -> None:
        self._paths = {
            "/" + path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES and path.is_file() and not path.is_symlink()
        }
        if "/index.html" in self._paths:
            self._paths["/"] = self._paths["/index.html"]
        self._read: dict[Path, _File] = {}

    def has(self, path: str) -> bool:
        return path in self._paths

    def respond(self, request: web.BaseRequest) -> web.Response:
        """The file, or 304 when the caller has it. Browsers keep it and ask each time whether it changed."""
        path = self._paths[request.path]
        file = self._file(path)
        headers = {**COMMON, hdrs.ETAG: file.tag, hdrs.CACHE_CONTROL: "no-cache"}
        if file.tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = _TYPES[path.suffix]
        return web.Response(body=file.body, headers=headers)

    def _file(self, path: Path) -> _File:
        if path not in self._read:
            body = path.read_bytes()
            self._read[path] = _File(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        return self._read[path]
