"""What forms are made from."""

from carapax.config import AgentConfig, Config, RuleConfig
from carapax.configdoc import keys
from carapax.configschema import KeyInfo, key_at, tables


def test_every_key_of_every_table_is_there_with_its_meaning() -> None:
    found = {table.path: table for table in tables(Config())}
    assert [key.name for key in found[("agents", "*")].keys] == [
        key.name for key in keys(AgentConfig) if key.name != "egress"
    ]
    assert [key.name for key in found[("policy", "rules", "*")].keys] == [key.name for key in keys(RuleConfig)]
    assert {("sandboxes", "docker"), ("sandboxes", "docker", "limits"), ("agents", "*", "egress")} <= found.keys()
    assert [key.name for key in found[()].keys] == ["chains", "extra_tools"]
    assert [(table.path, key.name) for table in found.values() for key in table.keys if not key.meaning] == []


def test_a_key_tells_what_it_may_be() -> None:
    port = key_at(("gateway", "port"))
    assert port and (port.type, port.minimum, port.maximum, port.restart) == ("integer", 0, 65535, True)
    effort = key_at(("agents", "main", "queue"))
    assert effort and (effort.type, effort.choices, effort.restart) == (
        "choice",
        ("steer", "followup", "collect"),
        False,
    )
    budget = key_at(("budget", "daily_usd"))
    assert budget and (budget.type, budget.optional, budget.default) == ("number", True, None)
    assert isinstance(key := key_at(("providers", "x", "key")), KeyInfo) and (key.type, key.default) == ("secret", "")
    chains = key_at(("chains",))
    assert chains and (chains.type, chains.lists) == ("table", True)
    verdict = key_at(("policy", "rules", "1", "verdict"))
    assert verdict is None or verdict.required
    assert key_at(("nothing", "here")) is None
