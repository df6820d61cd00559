"""Every promise in the documentation is proven by a test that exists."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CLAIMS = ROOT / "docs" / "claims.toml"


def claims() -> list[dict[str, str]]:
    """`[[claim]]` tables: `text` stands word for word in `where`, and `test` is `file::function` or a list of them."""
    table = tomllib.loads(CLAIMS.read_text()) if CLAIMS.exists() else {}
    found: list[dict[str, str]] = table.get("claim", [])
    return found


def flat(text: str) -> str:
    return " ".join(text.replace("`", "").replace("*", "").replace("> ", "").split())


def test_there_are_claims() -> None:
    assert claims()


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.get("text", "?")[:40])
def test_a_claim_stands_in_the_documentation_and_is_proven(claim: dict[str, str]) -> None:
    page = ROOT / claim["where"]
    assert flat(claim["text"]) in flat(page.read_text()), f"{claim['where']} does not say: {claim['text']}"
    tests = [claim["test"]] if isinstance(claim["test"], str) else claim["test"]
    for test in tests:
        file, _, function = test.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert not function or function in names, f"{file} has no {function}"
