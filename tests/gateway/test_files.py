import hashlib
import io
from typing import Any

import pytest

from carapax.config import Config, GatewayConfig, LimitsConfig
from carapax.testing.gateway import gateway_client
from tests.running import run

PNG = b"\x89PNG\r\n\x1a\n\0\0"


@pytest.mark.parametrize(
    ("data", "declared", "kind", "shown"),
    [
        (PNG, "application/octet-stream", "image/png", "inline"),
        (b"<script>alert(1)</script>", "text/html", "text/html", "attachment"),
        (b"PK\x03\x04\0", "application/zip", "application/zip", "attachment"),
    ],
)
def test_a_file_goes_in_and_out_as_it_is_and_runs_nowhere(data: bytes, declared: str, kind: str, shown: str) -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            headers = {"Content-Type": declared}
            async with gateway.call("POST", "/api/files?name=a%20b.bin", data=data, headers=headers) as response:
                added = await response.json()
                assert response.status == 201
            digest = hashlib.sha256(data).hexdigest()
            assert added == {"digest": digest, "name": "a b.bin", "media_type": kind, "size": len(data)}
            async with gateway.call("GET", f"/api/files/{digest}") as response:
                assert (response.status, await response.read()) == (200, data)
                assert response.content_type == kind
                assert response.headers["Content-Disposition"].startswith(shown)
                assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
                assert response.headers["X-Content-Type-Options"] == "nosniff"
            async with gateway.call("GET", f"/api/files/{digest}", headers={"Accept": "application/json"}) as response:
                assert (await response.json())["media_type"] == kind

    run(main())


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/api/files", {"data": b"12345", "headers": {"Content-Type": "text/plain"}}, 413),
        ("/api/files", {"data": b"", "headers": {"Content-Type": "text/plain"}}, 400),
        ("/api/files?name=%00", {"data": b"1", "headers": {"Content-Type": "text/plain"}}, 400),
        ("/api/files", {"json": {"data": "MQ==", "name": "a\n"}}, 400),
        ("/api/files?name=" + "n" * 300, {"data": b"1", "headers": {"Content-Type": "text/plain"}}, 400),
    ],
)
def test_what_is_no_file_is_refused(path: str, options: dict[str, Any], status: int) -> None:
    async def main() -> int:
        config = Config(gateway=GatewayConfig(port=0), limits=LimitsConfig(attachment_bytes=4))
        async with gateway_client(config=config) as gateway, gateway.call("POST", path, **options) as response:
            return response.status

    assert run(main()) == status


@pytest.mark.parametrize(("digest", "status"), [("0" * 64, 404), ("..%2f..%2fetc", 400), ("0", 400)])
def test_a_file_that_is_not_there_is_not_found(digest: str, status: int) -> None:
    async def main() -> int:
        async with gateway_client() as gateway, gateway.call("GET", f"/api/files/{digest}") as response:
            return response.status

    assert run(main()) == status


def test_a_file_of_fifty_megabytes_comes_in_and_out_piece_by_piece() -> None:
    data = bytes(range(256)) * 195_312

    async def main() -> None:
        async with gateway_client() as gateway:
            headers = {"Content-Type": "application/x-thing"}
            async with gateway.call("POST", "/api/files?name=big", data=io.BytesIO(data), headers=headers) as response:
                kept = await response.json()
            assert (kept["size"], kept["digest"]) == (len(data), hashlib.sha256(data).hexdigest())
            async with gateway.call("GET", f"/api/files/{kept['digest']}") as response:
                assert response.content_length == len(data)
                got = hashlib.sha256()
                async for piece in response.content.iter_any():
                    got.update(piece)
            assert got.hexdigest() == kept["digest"]

    run(main())
