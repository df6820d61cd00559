"""Nothing runs that can do more than read: it is told what would have been decided."""

from carapax.contracts import Asking, Decision
from carapax.policy.policy import Policy

NAME = "policy.dry_run"
_TOLD = {"allow": "it would have run", "ask": "a person would have been asked", "deny": "it would have been refused"}


class DryRun:
    """An Approver in place of those of a policy. A call that only reads is decided as ever."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def judge(self, asking: Asking) -> Decision:
        decision = self._policy.decide(asking)
        if asking.effects <= {"read"}:
            return decision
        told = f"{_TOLD[decision.verdict]}, by {decision.rule}: {decision.reason}"
        return Decision("deny", NAME, f"this is a dry run, so nothing was done; {told}")
