"""Keys and values as people write them."""

import pytest

from carapax.configset import meant, path_of, value_of
from carapax.errors import InvalidRequest


def test_a_key_is_read_as_toml_reads_it() -> None:
    assert path_of('models."a/b.c".input_usd') == ("models", "a/b.c", "input_usd")
    assert path_of("sandboxes.docker.limits.processes") == ("sandboxes", "docker", "limits", "processes")
    with pytest.raises(InvalidRequest, match="did you mean 'processes'"):
        path_of("sandboxes.docker.limits.proceses")


@pytest.mark.parametrize(
    ("key", "value", "result"),
    [
        ("limits.sockets", "5", 5),
        ("policy.dry_run", "true", True),
        ("agents.main.description", "5", "5"),
        ("agents.main.description", '"5"', "5"),
        ("agents.main.model", "demo/demo", "demo/demo"),
        ("policy.rules", '[{verdict = "deny"}]', [{"verdict": "deny"}]),
        ("channels.x.y", "5", 5),
    ],
)
def test_a_value_is_what_its_key_takes(key: str, value: str, result: object) -> None:
    assert meant(path_of(key), value) == result


def test_a_table_is_shown_as_toml() -> None:
    assert value_of({"agents": {"main": {"effort": "low", "egress": {"hosts": ["*"]}}}}, "agents") == (
        '[main]\neffort = "low"\n\n[main.egress]\nhosts = ["*"]\n'
    )
