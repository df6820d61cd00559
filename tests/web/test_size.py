"""How much page there is: what people read of it, and what browsers load."""

import gzip
from collections.abc import Generator
from pathlib import Path

import pytest

import carapax
from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served

WEB = Path(carapax.__file__).parent / "web"
SCRIPTS = [path for path in sorted(WEB.rglob("*.js")) if "vendor" not in path.parts]
MOST_LINES = 6_000
WIDEST_LINE = 120
MOST_WIRE_BYTES = 250_000


def test_the_scripts_have_less_than_6000_lines_of_code() -> None:
    """With the catalogue of what the page says; lines that are empty or hold only a comment are not code."""
    lines = {str(path.relative_to(WEB)): sum(map(_is_code, path.read_text().splitlines())) for path in SCRIPTS}
    assert sum(lines.values()) < MOST_LINES, sorted(lines.items(), key=lambda each: -each[1])[:8]


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith(("//", "/*", "* ", "*/"))


def test_no_line_of_a_script_is_too_wide() -> None:
    wide = [
        f"{path.name}:{number}"
        for path in SCRIPTS
        if path.name != "strings.js"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > WIDEST_LINE
    ]
    assert wide == []


def test_all_of_the_page_is_soon_loaded() -> None:
    """With every screen and the font, as it is sent: fonts as they are, all else compressed."""
    files = [path for path in WEB.rglob("*") if path.suffix in {".js", ".css", ".html", ".svg", ".woff2"}]
    bodies = [path.read_bytes() if path.suffix == ".woff2" else gzip.compress(path.read_bytes()) for path in files]
    assert sum(map(len, bodies)) < MOST_WIRE_BYTES


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Served, None, None]:
    with served(tmp_path, ["fine"]) as running:
        yield running


@pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
def test_a_start_asks_for_all_its_modules_at_once(browser: Browser, gateway: Served) -> None:
    browser.open(gateway.url)
    browser.find(".composer textarea")
    late = browser.run("""
        const named = new Set([...document.querySelectorAll("link[rel=modulepreload]")].map((each) => each.href));
        const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
        const modules = loaded.filter((name) => name.endsWith(".js") && !name.endsWith("/theme.js"));
        return modules.filter((name) => !named.has(name));
    """)
    assert late == []
