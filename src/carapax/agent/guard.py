"""Notices an agent that goes round in circles: the same call with the same arguments, again and again."""

import json
from collections import deque
from typing import Literal

from carapax.messages import ToolCall

Verdict = Literal["allow", "warn", "block", "end"]

WINDOW = 15
WARN_AT, BLOCK_AT, END_AT = 2, 4, 9


class LoopGuard:
    """Judges each call by how many identical ones stand among the last 15: 2 warn, 4 block, 9 end the run."""

    def __init__(self) -> None:
        self._recent: deque[tuple[str, str]] = deque(maxlen=WINDOW)

    def judge(self, call: ToolCall) -> Verdict:
        """Say what may become of the call, and remember it, whatever the answer."""
        key = (call.name, _canonical(call.arguments))
        prior = self._recent.count(key)
        self._recent.append(key)
        if prior >= END_AT:
            return "end"
        if prior >= BLOCK_AT:
            return "block"
        return "warn" if prior >= WARN_AT else "allow"


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments
