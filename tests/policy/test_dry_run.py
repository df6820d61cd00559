from typing import get_args

import pytest
from msgspec.structs import replace

from carapax.config import RuleConfig
from carapax.contracts import Asking, Decision, Effect, Verdict
from carapax.policy.dry_run import DryRun
from carapax.policy.policy import Policy
from carapax.policy.rules import Rules

ASKING = Asking("main", "s", "api", "post", {}, frozenset({"read", "message"}), None)


def decided(verdict: Verdict, asking: Asking) -> Decision:
    return DryRun(Policy([Rules([RuleConfig(verdict, reason="because")])])).judge(asking)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("allow", "it would have run"),
        ("ask", "a person would have been asked"),
        ("deny", "it would have been refused"),
    ],
)
def test_a_dry_run_does_nothing_and_tells_what_would_have_been(verdict: Verdict, told: str) -> None:
    why = f"this is a dry run, so nothing was done; {told}, by policy.rules.1: because"
    assert decided(verdict, ASKING) == Decision("deny", "policy.dry_run", why)


@pytest.mark.parametrize("effect", sorted({*get_args(Effect)} - {"read"}))
def test_nothing_that_can_do_more_than_read_runs(effect: Effect) -> None:
    assert decided("allow", replace(ASKING, effects=frozenset({"read", effect}))).verdict == "deny"


def test_what_only_reads_is_decided_as_ever() -> None:
    assert decided("allow", replace(ASKING, effects=frozenset({"read"}))) == Decision(
        "allow", "policy.rules.1", "because"
    )
