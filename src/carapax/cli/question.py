"""Questions at a terminal: may this call run?"""

import select
import sys
import termios
import threading
from collections import deque
from collections.abc import Iterable

import click

from carapax.cli.keyboard import Interrupts
from carapax.cli.terminal import clean, dim, one_line
from carapax.clock import SystemClock
from carapax.events import ApprovalAsked, ApprovalGiven, Envelope, RunFinished, Scope

_GLANCE_S = 0.2
_KEYS: dict[Scope, tuple[str, str]] = {
    "once": ("y", "yes, this once"),
    "session": ("s", "yes, for this session"),
    "always": ("a", "yes, always"),
}
_SAID = {
    "yes": "y",
    "no": "n",
    "/approve": "y",
    "/approve once": "y",
    "/approve session": "s",
    "/approve always": "a",
    "/approve no": "n",
}


def card(asked: ApprovalAsked) -> str:
    """What is asked, whole, and why."""
    shown = "\n".join(f"  | {line}" for line in clean(asked.shown).split("\n"))
    origins = ", ".join(clean(str(origin)) for origin in asked.origins) or "nobody else"
    return f"{shown}\n  asked because {clean(asked.reason)}\n  the session has read: {origins}"


class Questions:
    """The questions of a conversation that wait. Events come in another thread than the one that asks."""

    def __init__(self) -> None:
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

    def first(self) -> ApprovalAsked | None:
        """The one that waits longest."""
        with self._lock:
            return self._waiting[0] if self._waiting else None

    def next(self) -> ApprovalAsked | None:
        """Take it out."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def forget(self, asked: ApprovalAsked) -> None:
        """It was answered."""
        with self._lock:
            self._waiting = deque(one for one in self._waiting if one.id != asked.id)

    def clear(self) -> None:
        """Another session is talked in."""
        with self._lock:
            self._waiting.clear()


class Asker:
    """Asks at the keyboard, line by line."""

    def __init__(self, questions: Questions, interrupts: Interrupts) -> None:
        self._questions = questions
        self._interrupts = interrupts

    def ask(self) -> tuple[ApprovalAsked, Scope | None] | None:
        """Ask the first question that waits, if any does, until it is answered, here or elsewhere. What is allowed, or
        None for nothing; Ctrl-C and the end of the input are a no."""
        asked = self._questions.first()
        if asked is None:
            return None
        click.echo(f"\n{card(asked)}\n{choices(asked)}")
        termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed before it was asked is no answer
        allowed = answers(asked)
        while (line := self._line(asked)) is not None:
            key = meant(line)
            if key in allowed or not line:
                self._questions.forget(asked)
                return asked, allowed.get(key)
            click.echo(none_of(line, allowed))
        return None

    def _line(self, asked: ApprovalAsked) -> str | None:
        """What is typed; empty for a no; None once it needs no answer any more."""
        try:
            with self._interrupts.typing():
                click.echo("answer: ", nl=False)
                while self._questions.first() is asked:
                    if select.select([sys.stdin], [], [], _GLANCE_S)[0]:
                        return sys.stdin.readline()
        except KeyboardInterrupt:
            click.echo()
            return ""
        click.echo(dim("(no answer is needed any more)", True))
        return None


def answers(asked: ApprovalAsked) -> dict[str, Scope | None]:
    """The keys that answer a question, and what each allows; None for nothing."""
    scopes: list[Scope] = ["once", *(offer.scope for offer in asked.offers)]
    return {**{_KEYS[scope][0]: scope for scope in scopes}, "n": None}


def meant(text: str) -> str:
    """The key that is meant by what was typed: it, or a word for it, but no other word that begins with it."""
    said = " ".join(text.lower().split())
    return _SAID.get(said, said)


def none_of(text: str, allowed: Iterable[str]) -> str:
    """That what was typed is no answer."""
    return f"({one_line(text, 20)!r} is none of {', '.join(allowed)})"


def choices(asked: ApprovalAsked) -> str:
    """What may be answered, a line each."""
    left = max(0, round(asked.expires_at - SystemClock().now()))
    lines = [f"  [{key}] {text}" for key, text in [_KEYS["once"]]]
    lines += [f"  [{_KEYS[offer.scope][0]}] {_KEYS[offer.scope][1]}: {clean(offer.text)}" for offer in asked.offers]
    return "\n".join([*lines, f"  [n] no  ({left} s left)"])
