"""What it costs to decide about a call."""

import random
import time
from collections.abc import Iterator
from typing import Any

from bench.table import Row, at_most
from carapax.commandline import parse
from carapax.config import RuleConfig
from carapax.contracts import Asking
from carapax.messages import Origin
from carapax.policy.policy import Policy
from carapax.policy.rule_of_two import RuleOfTwo
from carapax.policy.rules import Rules

_ROUNDS = 2_000
_LINE = "git status && grep -rn needle src | head -20"
_WORDS = ("please", "the", "notes", "of", "meeting", "with", "send", "report", "Monday", "Ann's", "plan", "budget")
_BODY = "The meeting moved to room 12 on 2026-05-20 at 10:00; see notes.txt. " + "All of us should come prepared. " * 14


def rows() -> Iterator[Row]:
    for size in (20, 100):
        said = _said(size * 1000)
        name = f"a decision about a call, the owner having said {size} KB"
        yield at_most(f"{name}: named, median", _median(said, {"to": "ann@home.example", "body": _BODY}), "µs", 100)
        yield at_most(f"{name}: named by nobody, median", _median(said, {"to": "eve@evil.example"}), "µs", 100)
    yield at_most("reading a line of three commands and deciding by rules, median", _commands(), "µs", 50)


def _commands() -> float:
    """A line that is read anew each time, under twenty patterns."""
    rules = Rules(
        [
            RuleConfig("deny", commands=("rm", "dd", "shutdown", "curl", "wget", "mkfs*", "git push")),
            RuleConfig("ask", commands=("pip install", "npm install", "git reset")),
            RuleConfig("allow", commands=("git status", "git log **", "make **", "pytest **", "grep **", "head **")),
        ]
    )
    asking = Asking("main", "s", "web", "shell", {"command": _LINE}, frozenset({"execute"}), ("command",))
    took = []
    for _ in range(_ROUNDS):
        parse.cache_clear()
        began = time.perf_counter()
        rules.judge(asking)
        took.append(time.perf_counter() - began)
    return sorted(took)[_ROUNDS // 2] * 1e6


def _said(size: int) -> tuple[str, ...]:
    """Messages of 500 characters; one in the middle names an address."""
    chance = random.Random(7)
    texts = [" ".join(chance.choices(_WORDS, k=80))[:500] for _ in range(size // 500)]
    texts[len(texts) // 2] += " to ann@home.example"
    return tuple(texts)


def _median(said: tuple[str, ...], arguments: dict[str, Any]) -> float:
    policy = Policy((RuleOfTwo(),))
    origins = (Origin("web", "https://news.example/"),)
    asking = Asking("main", "s", "web", "mail", arguments, frozenset({"message"}), ("to",), origins, said)
    took = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        policy.decide(asking)
        took.append(time.perf_counter() - began)
    return sorted(took)[_ROUNDS // 2] * 1e6
