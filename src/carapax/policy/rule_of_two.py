"""Untrusted words, private data, a change outside: never all three without a person's yes.

The source is the "Agents Rule of Two" (Meta, 2025). What wins back the work that it would stop is provenance: a call
whose every decisive value was named by those who may give orders does what they said, whoever proposed it.
"""

from carapax.contracts import Asking, Decision
from carapax.policy.provenance import leaves, names, names_host, references, writes_out, written

NAME = "rule of two"
MOST_FOLLOWED = 20
"""So many pages may be read of addresses that nobody named, until somebody who may give orders says something."""

_SHOWN = 80


class RuleOfTwo:
    """The rule that decides when no other does: it always allows or asks."""

    def judge(self, asking: Asking) -> Decision:
        if asking.effects <= {"read"}:
            return _allowed("it only reads")
        if not asking.origins:
            return _allowed("the session has read nothing but what those said who may give orders")
        if not asking.private:
            return _allowed("the run can reach nothing private")
        if _follows(asking):
            return _allowed(
                "the address was found by a search, or at a host that was named, and nothing was added to it"
            )
        doubt = _doubt(asking)
        if doubt is None:
            return _allowed("who may give orders has named all that it touches")
        listed = ", ".join(map(str, asking.origins[:3])) + (" and others" if len(asking.origins) > 3 else "")
        return Decision("ask", NAME, f"the session has read {listed}, and {doubt}")


def _allowed(reason: str) -> Decision:
    return Decision("allow", NAME, reason)


def _follows(asking: Asking) -> bool:
    """Whether the call only fetches an address that was found as it is, by a search or at a host that was named."""
    if not asking.effects <= {"read", "network"} or asking.followed >= MOST_FOLLOWED:
        return False
    decisive = _decisive(asking)
    values = [leaf for name in decisive for leaf in leaves(asking.arguments.get(name))]
    others = {name: value for name, value in asking.arguments.items() if name not in decisive}
    return bool(values) and all(_leads_on(asking, value) for value in values) and not any(references(others))


def _leads_on(asking: Asking, value: object) -> bool:
    if not isinstance(value, str):
        return False
    return value in asking.found or (value in asking.links and names_host(asking.vouching, value))


def _doubt(asking: Asking) -> str | None:
    """Why it cannot be known that the call does what somebody asked for who may."""
    if "destroy" in asking.effects:
        return "what the call removes or replaces cannot be brought back"
    decisive = _decisive(asking)
    named = 0
    known = (*asking.vouching, *asking.own)
    for name in decisive:
        for leaf in leaves(asking.arguments.get(name)):
            if not names(known, leaf) and not _called(asking, leaf):
                return f"nobody who may give orders has named {_shown(leaf)}, its {name}"
            named += 1
            if "execute" in asking.effects and not writes_out(asking.vouching, written(leaf)):
                return f"nobody who may give orders has written out {_shown(leaf)} as its {name}"
    if not named:
        return "nothing in the call says whom or what it touches"
    return _points_elsewhere(asking, decisive)


def _points_elsewhere(asking: Asking, decisive: tuple[str, ...]) -> str | None:
    """What the other arguments point to without having been named by a person."""
    for name, value in asking.arguments.items():
        if name not in decisive:
            for reference in references(value):
                if not names(asking.vouching, reference):
                    return f"nobody who may give orders has named {_shown(reference)}, which stands in its {name}"
    return None


def _called(asking: Asking, leaf: object) -> bool:
    """Whether it is the id of something that is only called what was named."""
    called = asking.things.get(written(leaf), ())
    return bool(called) and all(names(asking.vouching, name) for name in called)


def _decisive(asking: Asking) -> tuple[str, ...]:
    return tuple(asking.arguments) if asking.authority is None else asking.authority


def _shown(value: object) -> str:
    text = written(value)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
