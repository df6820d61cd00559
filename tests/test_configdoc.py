"""The commented configuration, generated from the types."""

import re
import tomllib

import pytest
from msgspec import Struct

from carapax import config as types
from carapax.config import Config
from carapax.configdoc import explain, keys, toml
from carapax.configfile import parse

TABLES = [kind for kind in vars(types).values() if isinstance(kind, type) and issubclass(kind, Struct)]


@pytest.mark.parametrize("table", [table for table in TABLES if table is not Struct], ids=lambda table: table.__name__)
def test_every_key_has_a_meaning(table: type[Struct]) -> None:
    assert [key.name for key in keys(table) if not key.meaning] == []


def test_every_key_of_every_table_is_in_the_commented_file() -> None:
    text = explain()
    for table in TABLES:
        for key in keys(table):
            assert re.search(rf"^#?#? ?\[?{key.name}\b", text, re.M), key.name


def test_the_commented_file_changes_nothing() -> None:
    assert parse(explain()) == Config()


def test_with_every_comment_taken_away_the_core_tables_hold_their_defaults() -> None:
    core = re.split(r"^#\[\w+\.NAME\]", explain(), maxsplit=1, flags=re.M)[0]
    assert parse(re.sub(r"^#(?! )", "", core, flags=re.M)) == Config()


@pytest.mark.parametrize(
    "value", ["plain", 'quotes " and \\', "line\nfeed\x7f\x01", "żółw 🐢", 3, 2.5, True, [1, "a"], {"a b": {"c": []}}]
)
def test_a_value_written_as_toml_reads_back(value: object) -> None:
    assert tomllib.loads(f"value = {toml(value)}") == {"value": value}
