"""strings.js: the page says nothing that is not in its catalogue, and the catalogue nothing that is not said."""

import re
from pathlib import Path
from typing import get_args

import carapax
from carapax.events import Kept, Streamed

WEB = Path(carapax.__file__).parent / "web"
SCRIPTS = [path for path in sorted(WEB.rglob("*.js")) if path.name != "strings.js"]
CATALOGUE = re.findall(r'^  "([\w-]+)":', (WEB / "strings.js").read_text(encoding="utf-8"), re.M)


def test_every_text_is_in_the_catalogue_and_said_somewhere() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    said = set(re.findall(r'"([\w-]+)"', source))
    families = tuple(re.findall(r"t\(`([\w-]+-)\$\{", source))
    asked = set(re.findall(r'\bt\("([\w-]+)"', source))
    assert sorted(asked - set(CATALOGUE)) == []
    assert [key for key in CATALOGUE if key not in said and not key.startswith(families)] == []
    assert len(set(CATALOGUE)) == len(CATALOGUE)


def test_no_count_that_may_be_one_stands_before_a_plural() -> None:
    """What is always the same number of days or files may."""
    told = re.findall(r'^  "([\w-]+)": "(.*)",', (WEB / "strings.js").read_text(encoding="utf-8"), re.M)
    counted = [
        key for key, text in told if re.search(r"\{\w+\} (?:\w+ )?(?:calls|tokens|files|days|runs|models)\b", text)
    ]
    assert counted == ["file-many", "costs-days", "compacted", "agents-spent"]


def test_every_kind_of_event_has_a_name() -> None:
    kinds = {str(kind.__struct_config__.tag) for kind in get_args(Kept | Streamed)}
    assert {key.removeprefix("kind-") for key in CATALOGUE if key.startswith("kind-")} == kinds


def test_no_script_makes_elements_from_markup_code_from_text_or_asks_another_host() -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function"
    forbidden = re.compile(markup + r"|https?://(?!www\.w3\.org)[a-z]")
    source = {path.name: path.read_text(encoding="utf-8") for path in SCRIPTS}
    assert {name: found for name, text in source.items() if (found := forbidden.findall(text))} == {}
