from carapax.contracts import Asking, Decision
from carapax.policy.policy import Policy

ASKING = Asking("main", "s", "api", "post", {}, frozenset({"message"}), None)


class Always:
    def __init__(self, decision: Decision | None) -> None:
        self._decision = decision

    def judge(self, asking: Asking) -> Decision | None:
        return self._decision


def test_the_first_rule_that_does_not_pass_decides() -> None:
    asked, allowed = Decision("ask", "first", "why"), Decision("allow", "second", "because")
    assert Policy([Always(None), Always(asked), Always(allowed)]).decide(ASKING) == asked


def test_a_call_that_no_rule_speaks_about_is_refused() -> None:
    assert Policy([Always(None)]).decide(ASKING).verdict == "deny"
