"""Decides about calls: the first rule that has something to say."""

from collections.abc import Sequence

from carapax.contracts import Approver, Asking, Decision


class Policy:
    """The rules of a gateway, in their order. Nobody's answer within `expires_s` seconds is no."""

    def __init__(self, approvers: Sequence[Approver], expires_s: float = 300.0) -> None:
        self._approvers = tuple(approvers)
        self.expires_s = expires_s

    def decide(self, asking: Asking) -> Decision:
        """What the first rule says that does not pass; a call about which none says anything is refused."""
        for approver in self._approvers:
            decision = approver.judge(asking)
            if decision is not None:
                return decision
        return Decision("deny", "no rule", "no rule allows it")
