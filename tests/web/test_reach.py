"""Nothing that the gateway can do or tell is out of the page's reach, unless it is said why."""

import re
from pathlib import Path
from typing import get_args

import carapax
from carapax.api import OPERATIONS, Operation
from carapax.events import Kept, Streamed
from docs.generate import API_ONLY

WEB = Path(carapax.__file__).parent / "web"
SOURCE = "\n".join(path.read_text() for path in sorted(WEB.rglob("*.js")) if path.name != "strings.js")


def is_called(operation: Operation) -> bool:
    """By its name, or at one of its addresses."""
    forms = [re.escape(f'"{operation.name}"')]
    for path in operation.paths:
        parts = (re.escape(part) for part in re.split(r"\{\w+\}", path.lstrip("/")))
        forms.append('["`]' + r"\$\{.+?\}".join(parts) + '["`?]')
    return any(re.search(form, SOURCE) for form in forms)


def entries(file: str, table: str) -> set[str]:
    """The keys of a table in a script."""
    body = (WEB / file).read_text().split(f"const {table} = {{\n")[1].split("\n};")[0]
    return set(re.findall(r"^  (\w+)[:(]", body, re.MULTILINE))


def kinds(events: object) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(events)}


def test_every_operation_is_called_from_the_page_or_said_to_be_for_programs_only() -> None:
    assert {name for name, operation in OPERATIONS.items() if not is_called(operation)} == set(API_ONLY)


def test_every_event_is_shown() -> None:
    """What is kept has its line in the timeline and in the live list; what is streamed grows the conversation."""
    assert entries("views/timeline.js", "SUMMARIES") == kinds(Kept)
    assert entries("fold.js", "STREAMED") == kinds(Streamed)
    assert entries("fold.js", "KEPT") | {"message_sent", "send_failed"} == kinds(Kept)
