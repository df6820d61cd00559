import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from carapax.api import OPERATIONS
from carapax.testing.gateway import LOCAL_SECRET, gateway_client
from tests.running import run

SETTINGS = """
checks.ignored_auth.enabled = false

[[operations]]
include-path = ["/api/config", "/api/imports", "/api/secrets", "/api/secrets/{name}"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "409"]

[[operations]]
include-path = ["/api/models/refresh", "/api/providers", "/api/tailscale"]
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "502", "503"]
"""
"""Wrong tokens are soon answered with 429, which that check takes for a way in; test_auth.py has the whole matrix.
Whether exported lines make a session, a text the name of a secret, or keys a configuration, is more than a schema can
say. What asks a server elsewhere, or another program, may find that there is none."""


async def page_of() -> dict[str, Any]:
    async with gateway_client() as gateway, gateway.call("GET", "/api/openapi.json") as response:
        assert_json(response)
        page: dict[str, Any] = await response.json()
        return page


def assert_json(response: ClientResponse) -> None:
    assert (response.status, response.content_type) == (200, "application/json")


def test_the_page_has_every_operation_that_has_a_path() -> None:
    page = run(page_of())
    shown = {(method.upper(), path) for path, item in page["paths"].items() for method in item}
    assert shown == {(operation.method, path) for operation in OPERATIONS.values() for path in operation.paths}


def test_every_field_is_described() -> None:
    page = run(page_of())
    silent = [
        (operation["operationId"], name)
        for item in page["paths"].values()
        for operation in item.values()
        for name, schema in _given(operation).items()
        if not schema.get("description")
    ]
    assert silent == []


def _given(operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return {
        **{parameter["name"]: parameter["schema"] for parameter in operation["parameters"]},
        **body.get("properties", {}),
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_generated_requests_find_no_fault_and_nothing_undocumented(tmp_path: Path) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    arguments = [
        *("--config-file", str(settings), "run", "URL"),
        *("--phases", "coverage,fuzzing,stateful", "--max-examples", "5", "--seed", "1", "--no-color"),
        *("-H", f"Authorization: Bearer {LOCAL_SECRET}"),
    ]

    async def main() -> tuple[int | None, str]:
        async with gateway_client(lambda request: "an answer") as gateway:
            await gateway.services.tokens.create("somebody", ("read",))
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("schemathesis")),
                *[argument.replace("URL", f"{gateway.url}/api/openapi.json") for argument in arguments],
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=tmp_path,
            )
            try:
                output, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            return process.returncode, output.decode()

    status, output = run(main(), within_s=280)
    assert status == 0, output
