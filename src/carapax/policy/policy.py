"""Decides about calls: the first rule that has something to say."""

from collections.abc import Sequence

from carapax.contracts import Approver, Asking, Decision


class Policy:
    """The rules of a gateway, in their order."""

    def __init__(self, approvers: Sequence[Approver]) -> None:
        self._approvers = tuple(approvers)

    def decide(self, asking: Asking) -> Decision:
        """What the first rule says that does not pass; a call about which none says anything is refused."""
        for approver in self._approvers:
            decision = approver.judge(asking)
            if decision is not None:
                return decision
        return Decision("deny", "no rule", "no rule allows it")
