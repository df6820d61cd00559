"""The documentation is whole: the reference is as the code is, and every link leads somewhere."""

import re
import shlex
from pathlib import Path

import click
import pytest

from carapax.cli.group import carapax
from carapax.extensions import export, find, names
from docs.generate import REFERENCE, pages

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", list(pages()))
def test_the_reference_is_as_the_code_is(name: str) -> None:
    assert (REFERENCE / name).read_text() == pages()[name], "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|href)=\"([^\"#]+)\"", page.read_text())
    local = [one or other for one, other in targets if "://" not in (one or other)]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or not page.exists() or page.suffix != ".md":
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in seen] == []


def test_the_page_of_agents_says_what_each_tool_may() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([a-z, ]+) \|$", (ROOT / "docs" / "agents.md").read_text(), re.MULTILINE)
    said = {name: set(may.split(", ")) for name, may in rows}
    assert said == {name: set(export("tool", name, find("tool", name)).effects) for name in names("tool")}


def commands(page: Path) -> list[list[str]]:
    """The words of each command of ours in the blocks of a page that are for a shell, without what goes to a file."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    found = [re.search(r"(?:^|[|$] )(?:\.venv/bin/)?carapax\b(?P<words>.*)", line) for line in lines]
    told = [match["words"] for match in found if match]
    return [shlex.split(re.sub(r" [<>] ?\S+", "", words), comments=True) for words in told]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_can_be_given(page: Path) -> None:
    for words in commands(page):
        context = click.Context(carapax)
        while isinstance(context.command, click.Group) and words and not words[0].startswith("-"):
            command = context.command.get_command(context, words[0])
            assert command is not None, words
            context, words = click.Context(command, parent=context), words[1:]
        context.command.make_parser(context).parse_args(words)


def test_commands_are_found_in_the_readme() -> None:
    assert commands(ROOT / "README.md") == [["chat"], ["chat", "-m", "run `uname -a`"]]
