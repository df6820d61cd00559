"""The page of providers says what is so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from carapax.config import ProviderConfig
from carapax.extensions import names
from carapax.models.catalogue import resolve, vendors
from carapax.models.server import endpoint
from docs.providers import NOT_OFFERED, page

ROOT = Path(__file__).parent.parent
PAGE = "\n".join(page())


def left_out() -> Iterator[str]:
    """The features that the tests of recorded exchanges leave out."""
    for file in sorted((ROOT / "tests").rglob("test_*_recordings.py")):
        for node in ast.parse(file.read_text()).body:
            match node:
                case ast.Assign(targets=[ast.Name(id="NOT_OFFERED")], value=ast.Dict(keys=keys)):
                    yield from (ast.literal_eval(key) for key in keys if key)
                case ast.AnnAssign(target=ast.Name(id="NOT_OFFERED"), value=ast.Dict(keys=keys)):
                    yield from (ast.literal_eval(key) for key in keys if key)


def test_what_the_tests_of_recordings_leave_out_is_on_the_page_and_nothing_else() -> None:
    assert sorted(left_out()) == sorted(reason for reasons in NOT_OFFERED.values() for reason in reasons)
    assert NOT_OFFERED.keys() <= {*names("provider"), *names("embedder")}


def test_every_vendor_and_every_login_is_on_the_page() -> None:
    assert [name for name in vendors() if f"| `{name}` |" not in PAGE] == []
    assert [name for name in names("login") if f"**{name}**" not in PAGE] == []
    assert {row.login for row in vendors().values()} - {""} == set(names("login"))


@pytest.mark.parametrize("spelt", re.findall(r"`(https://api\.z\.ai\S*?)`", PAGE))
def test_the_spellings_of_a_base_url_are_the_same(spelt: str) -> None:
    found = resolve("mine", ProviderConfig(vendor="zai", base_url=spelt)).base_url
    assert endpoint(found, "/chat/completions") == "https://api.z.ai/api/paas/v4/chat/completions"
