import pytest
from msgspec.structs import replace

from carapax.contracts import Asking
from carapax.messages import Origin
from carapax.policy.rule_of_two import RuleOfTwo

ASKING = Asking("main", "s", "api", "post", {}, frozenset({"message"}), None, (Origin("web", "https://evil.example"),))


def test_untrusted_words_private_data_and_a_change_need_a_person() -> None:
    decision = RuleOfTwo().judge(ASKING)
    assert decision.verdict == "ask"
    assert "https://evil.example" in decision.reason


@pytest.mark.parametrize("change", [{"origins": ()}, {"private": False}, {"effects": frozenset({"read"})}])
def test_any_two_of_them_do_not(change: dict[str, object]) -> None:
    assert RuleOfTwo().judge(replace(ASKING, **change)).verdict == "allow"
