"""A question at the keyboard: may this call run?"""

import select
import sys
import termios
import threading
from collections import deque

import click

from carapax.cli.keyboard import Interrupts
from carapax.cli.terminal import clean, dim
from carapax.clock import SystemClock
from carapax.events import ApprovalAsked, ApprovalGiven, Envelope, RunFinished, Scope

_GLANCE_S = 0.2
_KEYS: dict[Scope, tuple[str, str]] = {
    "once": ("y", "yes, this once"),
    "session": ("s", "yes, for this session"),
    "always": ("a", "yes, always"),
}


def card(asked: ApprovalAsked) -> str:
    """What is asked, whole, and why."""
    shown = "\n".join(f"  | {line}" for line in clean(asked.shown).split("\n"))
    origins = ", ".join(clean(str(origin)) for origin in asked.origins) or "nobody else"
    return f"{shown}\n  asked because {clean(asked.reason)}\n  the session has read: {origins}"


class Questions:
    """The questions of a conversation. Events come in another thread than the one that asks."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._waiting: deque[ApprovalAsked] = deque()
        self._lock = threading.Lock()

    def follow(self, envelope: Envelope) -> None:
        """Take an event of the session."""
        event = envelope.event
        with self._lock:
            if isinstance(event, ApprovalAsked):
                self._waiting.append(event)
            elif isinstance(event, ApprovalGiven):
                self._waiting = deque(asked for asked in self._waiting if asked.id != event.id)
            elif isinstance(event, RunFinished):
                self._waiting.clear()

    def next(self) -> ApprovalAsked | None:
        """Take out the first question that waits."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def ask(self) -> tuple[ApprovalAsked, Scope | None] | None:
        """Ask the first question that waits, if any does, until it is answered, here or elsewhere. What is allowed, or
        None for nothing; Ctrl-C and the end of the input are a no."""
        asked = self._first()
        if asked is None:
            return None
        left = max(0, round(asked.expires_at - SystemClock().now()))
        click.echo(f"\n{card(asked)}\n{_choices(asked)}  ({left} s left)")
        termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed before it was asked is no answer
        answers: dict[str, Scope] = {_KEYS["once"][0]: "once"}
        answers |= {_KEYS[offer.scope][0]: offer.scope for offer in asked.offers}
        while (line := self._line(asked)) is not None:
            key = line.strip().lower()[:1]
            if key in answers:
                self._forget(asked)
                return asked, answers[key]
            if key == "n" or not line:
                self._forget(asked)
                return asked, None
        return None

    def _line(self, asked: ApprovalAsked) -> str | None:
        """What is typed; empty for a no; None once it needs no answer any more."""
        click.echo("answer: ", nl=False)
        try:
            with self._interrupts.typing():
                while self._first() is asked:
                    if select.select([sys.stdin], [], [], _GLANCE_S)[0]:
                        return sys.stdin.readline()
        except KeyboardInterrupt:
            click.echo()
            return ""
        click.echo(dim("(no answer is needed any more)", True))
        return None

    def _first(self) -> ApprovalAsked | None:
        with self._lock:
            return self._waiting[0] if self._waiting else None

    def _forget(self, asked: ApprovalAsked) -> None:
        with self._lock:
            self._waiting = deque(one for one in self._waiting if one.id != asked.id)


def _choices(asked: ApprovalAsked) -> str:
    lines = [f"  [{key}] {text}" for key, text in [_KEYS["once"]]]
    lines += [f"  [{_KEYS[offer.scope][0]}] {_KEYS[offer.scope][1]}: {clean(offer.text)}" for offer in asked.offers]
    return "\n".join([*lines, "  [n] no"])
