"""Recorded exchanges with real vendors, which lie beside the repository on the machines that have them."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

FOLDER = Path(__file__).parents[2].parent / "shared" / "recordings"
present = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded exchanges in {FOLDER}")


class Exchange(Struct, frozen=True):
    """One request and its answer. `body` is the answer as bytes, `name` says where it is from."""

    name: str
    family: str
    url: str
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes
    streamed: bool


def conversations(families: tuple[str, ...], path: str) -> Iterator[list[Exchange]]:
    """The files of these families, each as its exchanges with URLs that end so, in their order."""
    for family in families:
        for file in sorted((FOLDER / family).glob("*.json")):
            exchanges = [
                _exchange(f"{family}/{file.stem}[{number}]", family, interaction)
                for number, interaction in enumerate(msgspec.json.decode(file.read_bytes())["interactions"])
                if interaction["request"]["url"].split("?")[0].endswith(path)
            ]
            if exchanges:
                yield exchanges


def _exchange(name: str, family: str, interaction: dict[str, Any]) -> Exchange:
    response = interaction["response"]
    body = _body(response)
    headers = {key.lower(): value for key, value in response["headers"].items()}
    streamed = "base64" in response or ("text" in response and body.lstrip().startswith((b"data:", b"event:", b":")))
    request = interaction["request"]
    return Exchange(
        name,
        family,
        request["url"].split("?")[0],
        request.get("json") or {},
        response["status"],
        headers,
        body,
        streamed,
    )


def _body(response: dict[str, Any]) -> bytes:
    if "json" in response:
        return msgspec.json.encode(response["json"])
    return b64decode(response["base64"]) if "base64" in response else str(response["text"]).encode()
