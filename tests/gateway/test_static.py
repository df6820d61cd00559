from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from carapax.gateway.static import Static
from carapax.testing.gateway import gateway_client
from tests.running import run

CSP = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"


@pytest.fixture
def static(tmp_path: Path) -> Static:
    folder = tmp_path / "web"
    (folder / "views").mkdir(parents=True)
    (folder / "index.html").write_text("<p>page</p>")
    (folder / "views" / "chat.js").write_text("export {}")
    (folder / "notes.txt").write_text("not for the web")
    (tmp_path / "secret.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    return Static(folder)


def get(static: Static, path: str, **headers: str) -> web.Response:
    return static.respond(make_mocked_request("GET", path, headers=headers))


def test_files_are_served_by_name_with_their_type(static: Static) -> None:
    page, script = get(static, "/"), get(static, "/views/chat.js")
    assert (page.body, page.headers["Content-Type"]) == (b"<p>page</p>", "text/html; charset=utf-8")
    assert (script.body, script.headers["Content-Type"]) == (b"export {}", "text/javascript; charset=utf-8")


@pytest.mark.parametrize(
    "path", ["/../secret.js", "/views/../index.html", "/notes.txt", "/link.js", "/views", "/views/", "/INDEX.html", ""]
)
def test_nothing_else_is_there(static: Static, path: str) -> None:
    assert not static.has(path)


def test_a_browser_that_has_the_file_is_not_sent_it_again(static: Static) -> None:
    first = get(static, "/")
    again = get(static, "/", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, None)
    assert get(static, "/", **{"If-None-Match": '"other"'}).status == 200


def test_every_answer_forbids_foreign_and_inline_scripts() -> None:
    async def main() -> list[tuple[str | None, str | None]]:
        async with gateway_client() as gateway:
            found = []
            for path in ("/", "/health", "/api/none", "/api/sessions"):
                async with gateway.call("GET", path) as response:
                    headers = response.headers
                    found.append((headers.get("Content-Security-Policy"), headers.get("X-Content-Type-Options")))
            return found

    assert run(main()) == [(CSP, "nosniff")] * 4


@pytest.mark.parametrize("path", ["/%2e%2e/pyproject.toml", "/..%2f..%2fconfig.py", "/vendor/../../config.py", "/api"])
def test_no_path_leads_out_of_the_page(path: str) -> None:
    async def main() -> int:
        async with gateway_client() as gateway, gateway.call("GET", path) as response:
            return response.status

    assert run(main()) == 404
