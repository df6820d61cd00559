"""A call that nobody makes."""

from carapax.contracts import Asking
from carapax.policy.trial import PAGE, trial
from carapax.tools.shell import EXTENSION as SHELL


def test_a_call_is_put_as_a_session_would_put_it() -> None:
    given = {"command": "python3 a.py"}
    effects = SHELL.effects_of(given)
    assert trial("main", SHELL, given, networked=False, tainted=False) == Asking(
        "main", "", "", "shell", given, effects, SHELL.authority
    )
    reaching = trial("main", SHELL, given, networked=True, tainted=True)
    assert (reaching.effects, reaching.origins) == (effects | {"network"}, (PAGE,))
