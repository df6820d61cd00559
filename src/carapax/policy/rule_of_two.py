"""Untrusted words, private data, a change outside: never all three without a person's yes."""

from carapax.contracts import Asking, Decision

NAME = "rule of two"


class RuleOfTwo:
    """The rule that decides when no other does."""

    def judge(self, asking: Asking) -> Decision:
        if asking.effects <= {"read"} or not asking.origins or not asking.private:
            return Decision("allow", NAME, "nothing that others wrote is involved, or nothing can be changed")
        listed = ", ".join(map(str, asking.origins[:3]))
        return Decision("ask", NAME, f"{asking.tool} could act for somebody else: the session has read {listed}")
