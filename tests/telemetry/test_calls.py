"""Calls are told to whoever wants to know."""

from carapax.contracts import Spender
from carapax.telemetry.calls import Called, both


def test_both_are_told() -> None:
    one: list[Called] = []
    other: list[Called] = []
    call = Called(Spender("main", "s", "r"), "p", "m", 1.0, 0.5)
    both(one.append, other.append)(call)
    assert (one, other) == ([call], [call])
