"""How much page there is: what people read of it, and what browsers load."""

from collections.abc import Generator
from pathlib import Path

import pytest

import carapax
from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served

WEB = Path(carapax.__file__).parent / "web"
MOST_LINES = 7_000


def test_the_page_stays_within_its_lines_besides_what_it_says() -> None:
    parts = [path for kind in ("*.js", "*.css", "*.html") for path in WEB.rglob(kind) if path.name != "strings.js"]
    lines = {path.name: len(path.read_text().splitlines()) for path in parts if "vendor" not in path.parts}
    assert sum(lines.values()) < MOST_LINES, sorted(lines.items(), key=lambda each: -each[1])[:8]


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
