import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import InvalidRequest
from carapax.models.facts import FactBook
from carapax.models.price import price
from carapax.models.table import Row, Table, count


def model(usd: float, **more: Any) -> dict[str, Any]:
    return {"cost": {"input": usd, "output": 2 * usd}, "limit": {"context": 1000, "output": 100}, **more}


VENDORS: dict[str, dict[str, dict[str, Any]]] = {
    "openai": {
        "models": {
            "gpt-5": model(1),
            "gpt-5-mini": model(2),
            "gpt-5-2025-08-07": model(3),
            "gpt-4o-2024-05-13": model(4),
            "gpt-4o-2024-08-06": model(5),
            "o9-latest": model(6),
        }
    },
    "openrouter": {
        "models": {
            "openai/gpt-5": model(1),
            "qwen/qwen3": model(7),
            "other/qwen3-coder": model(8),
            "qwen/qwen3-coder": model(9),
            "qwen/qwen3-coder:free": model(0),
        }
    },
    "amazon-bedrock": {
        "models": {"anthropic.claude-9-20260101-v1:0": model(3), "eu.anthropic.claude-9-20260101-v1:0": model(4)}
    },
    "fireworks-ai": {"models": {"accounts/fireworks/models/glm-4p5": model(2)}},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    path = tmp_path_factory.mktemp("table") / "models.json"
    path.write_text(json.dumps(VENDORS))
    return Table(path)


def usd(row: Row | None) -> float | str | None:
    if row is None:
        return "unknown"
    return row.price.input / 1000 if row.price else None


@pytest.mark.parametrize(
    ("vendor", "name", "found"),
    [
        ("openai", "gpt-5", 1),
        ("openai", "GPT-5 ", 1),
        ("openai", "models/gpt-5", 1),
        ("openai", "openai/gpt-5", 1),
        ("openai", "gpt-5-2026-01-31", 1),
        ("openai", "gpt-5-20260131", 1),
        ("openai", "gpt-5@20260131", 1),
        ("openai", "gpt-5-latest", 1),
        ("openai", "gpt-5-2025-08-07", 3),
        ("openai", "gpt-4o", 5),
        ("openai", "o9", 6),
        ("openai", "o9-2026-02-03", "unknown"),
        ("openai", "gpt-5-pro", "unknown"),
        ("openai", "gpt-5-min", "unknown"),
        ("openai", "gpt-", "unknown"),
        ("openai", "gpt-5-0613", "unknown"),
        ("openai", "gpt-5-mini-tuned", "unknown"),
        ("openai", "ft:gpt-5:acme::id", "unknown"),
        ("openai", "", "unknown"),
        ("openai", ":free", "unknown"),
        ("openrouter", "openai/gpt-5:free", 0),
        ("openrouter", "qwen/qwen3-coder:free", 0),
        ("openrouter", "qwen/qwen3:thinking", 7),
        ("openrouter", "qwen/qwen3:nitro", None),
        ("openrouter", "qwen3", 7),
        ("openrouter", "qwen3-coder", "unknown"),
        ("amazon-bedrock", "anthropic.claude-9-20260101-v1:0", 3),
        ("amazon-bedrock", "us.anthropic.claude-9-20260101-v1:0", 3),
        ("amazon-bedrock", "eu.anthropic.claude-9-20260101-v1:0", 4),
        ("amazon-bedrock", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-9-20260101-v1:0", 3),
        ("amazon-bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/x9", "unknown"),
        ("fireworks-ai", "glm-4p5", 2),
        ("fireworks-ai", "accounts/mine/models/glm-4p5", "unknown"),
        ("nobody", "gpt-5", "unknown"),
    ],
)
def test_a_model_is_found_by_its_whole_name_however_it_is_spelt(
    table: Table, vendor: str, name: str, found: float | str | None
) -> None:
    assert usd(table.find(vendor, name)) == found


@given(st.sampled_from(sorted(VENDORS["openai"]["models"])), st.from_regex(r"[a-z0-9.]{1,12}", fullmatch=True))
def test_a_longer_name_is_another_model(table: Table, name: str, suffix: str) -> None:
    longer = f"{name}-{suffix}"
    dated = suffix.isdigit() and len(suffix) == 8
    if not dated and longer not in VENDORS["openai"]["models"] and suffix not in ("latest", "default"):
        assert table.find("openai", longer) is None


def test_a_model_is_described() -> None:
    assert FactBook({}, {}).of("anthropic", "claude-sonnet-4-5").context_tokens == 200_000


def test_tiers_come_with_the_price(tmp_path: Path) -> None:
    tiers = [
        {"input": 4, "output": 8, "tier": {"type": "context", "size": 200_000}},
        {"input": 9, "output": 9, "tier": {"type": "context", "size": 500_000}},
        {"input": 0, "output": 0, "tier": {"type": "batch", "size": 1}},
    ]
    described = model(2, modalities={"input": ["text", "image", "pdf"]}, reasoning=True)
    described["cost"] |= {"cache_read": 0.2, "cache_write": 2.5, "reasoning": 6, "tiers": tiers}
    path = tmp_path / "models.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"v": {"models": {"m": described}}}).encode()))
    longer = ((500_000, price(9, 9)), (200_000, price(4, 8)))
    assert Table(path).find("v", "m") == Row(1000, 100, True, True, True, price(2, 4, 0.2, 2.5, 6, longer))


def test_a_model_of_which_nothing_can_be_read_is_left_out_and_one_without_a_price_has_none(tmp_path: Path) -> None:
    models = {"odd": {"limit": "none"}, "bare": {}, "half": {"cost": {"input": 1}}, "minus": model(-1)}
    data = json.dumps({"v": {"models": models}}).encode()
    (tmp_path / "models.json").write_bytes(data)
    table = Table(tmp_path / "models.json")
    assert table.find("v", "odd") is None
    assert [table.find("v", name) for name in ("bare", "half")] == [Row(0, 0, False, False, None, None)] * 2
    assert usd(table.find("v", "minus")) is None
    assert count(data) == 3


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"<html>", b'{"v": 1}', b'{"v": {}}', b"[" * 100_000, b"\xff"])
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="this is no table of models"):
        count(data)


@pytest.mark.parametrize("usd", [1e306, -1.0, 1e7])
def test_a_price_that_cannot_be_is_none(tmp_path: Path, usd: float) -> None:
    absurd = {"cost": {"input": usd, "output": 1}, "limit": {"context": -5, "output": 1e300}}
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"v": {"models": {"m": absurd}}}))
    assert Table(path).find("v", "m") == Row(0, 0, False, False, None, None)
