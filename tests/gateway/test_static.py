import gzip
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

import carapax
from carapax.gateway.static import Static
from carapax.testing.gateway import gateway_client
from tests.running import run

WEB = Path(carapax.__file__).parent / "web"

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


def test_text_is_compressed_for_who_takes_it_under_a_tag_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "long.js").write_text("export {}\n" * 1000)
    (tmp_path / "short.js").write_text("export {}\n")
    (tmp_path / "font.woff2").write_bytes(bytes(2000))
    static = Static(tmp_path)
    plain, packed = get(static, "/long.js"), get(static, "/long.js", **{"Accept-Encoding": "br, gzip"})
    assert isinstance(packed.body, bytes)
    assert gzip.decompress(packed.body) == plain.body
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == "Accept-Encoding"
    tags = plain.headers["ETag"], packed.headers["ETag"]
    assert tags[0] != tags[1]
    assert get(static, "/long.js", **{"If-None-Match": tags[1], "Accept-Encoding": "gzip"}).status == 304
    assert get(static, "/long.js", **{"If-None-Match": tags[1]}).status == 200
    for path, accepted in [("/long.js", "gzip;q=0, br"), ("/short.js", "gzip"), ("/font.woff2", "gzip")]:
        assert "Content-Encoding" not in get(static, path, **{"Accept-Encoding": accepted}).headers


def test_the_page_names_all_modules_it_begins_with_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "index.html").write_text('<head><script type="module" src="app.js"></script></head>')
    (tmp_path / "app.js").write_text('import { a } from "./views/a.js";\nimport "./b.js";\nimport("./later.js");\n')
    (tmp_path / "views" / "a.js").write_text('import {\n  b,\n} from "../b.js";\nexport { a } from "./c.js";\n')
    (tmp_path / "views" / "c.js").write_text('import { out } from "../../secret.js";\n')
    (tmp_path / "b.js").write_text('import { a } from "./views/a.js";\n')
    (tmp_path / "later.js").write_text("export {}\n")
    page = get(Static(tmp_path), "/").body
    assert isinstance(page, bytes)
    assert re.findall(r'<link rel="modulepreload" href="([^"]+)">', page.decode()) == [
        "app.js",
        "views/a.js",
        "b.js",
        "views/c.js",
    ]


def test_the_first_screen_takes_at_most_250_kb_over_the_wire() -> None:
    static = Static(WEB)
    page = get(static, "/", **{"Accept-Encoding": "gzip"}).body
    assert isinstance(page, bytes)
    linked = re.findall(r'(?:href|src)="([\w./-]+)"', gzip.decompress(page).decode())
    sizes = [len(page)]
    for name in set(linked):
        body = get(static, f"/{name}", **{"Accept-Encoding": "gzip"}).body
        assert isinstance(body, bytes)
        sizes.append(len(body))
    assert sum(sizes) <= 250_000
