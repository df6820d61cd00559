"""The journal against a model of it: lists of events, one for each session."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from carapax.errors import Conflict, NotFound
from carapax.events import (
    Envelope,
    Kept,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from carapax.messages import AssistantMessage, Text
from carapax.store.journal import Duplicate, Journal
from carapax.store.migrations import migrate
from carapax.store.sqlite import SQLite, open_database
from carapax.store.subscription import Subscription
from carapax.testing.clock import FakeClock
from tests.store.opened import STARTED, said

T = TypeVar("T")
_text = st.text(st.characters(codec="utf-8"), max_size=30)
_json = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _text, st.lists, max_leaves=5)
_plain: st.SearchStrategy[Kept] = st.one_of(
    st.builds(StateChanged, key=_text.filter(lambda key: key not in ("title", "model")), value=_json),
    st.builds(lambda text: ModelResponded(AssistantMessage((Text(text),))), _text),
)


class JournalMachine(RuleBasedStateMachine):
    sessions = Bundle("sessions")

    @initialize()
    def open(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        memory = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self._clock = FakeClock()
        self._model: dict[str, list[Envelope]] = {}
        self._accepted: set[str] = set()
        self._opened = 0
        self._new("")

    def _new(self, copied_from: str) -> None:
        """Open the database, or a copy of its files as they are while it is open: what a crash leaves."""
        if copied_from:
            for suffix in ("", "-wal"):
                if Path(f"{copied_from}{suffix}").exists():
                    shutil.copy(f"{copied_from}{suffix}", f"{self._path(self._opened + 1)}{suffix}")
            self._opened += 1
        self._database: SQLite = self._run(open_database(self._path(self._opened)))
        self._run(migrate(self._database))
        self._journal = Journal(self._database, self._clock)
        self._watching: Subscription = self._journal.subscribe(None)
        self._told: list[Envelope] = []
        self._run(self._watching.__aenter__())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.db"

    def _run(self, coroutine: Coroutine[object, object, T]) -> T:
        return self._runner.run(coroutine)

    def _keep(self, session: str, *events: Kept, run: str = "") -> None:
        self._clock.advance(1)
        after = len(self._model.get(session, ()))
        expected = [Envelope(seq, session, self._clock.now(), e, run) for seq, e in enumerate(events, after + 1)]
        assert list(self._run(self._journal.append(session, *events, run=run))) == expected
        self._model.setdefault(session, []).extend(expected)
        self._told += expected

    def _ended(self, session: str) -> bool:
        return any(isinstance(envelope.event, SessionEnded) for envelope in self._model[session])

    @rule(target=sessions)
    def start(self) -> str:
        session = f"s{len(self._model)}"
        self._keep(session, STARTED)
        return session

    @rule(session=sessions, events=st.lists(_plain, min_size=1, max_size=5))
    def append(self, session: str, events: list[Kept]) -> None:
        if self._ended(session):
            with pytest.raises(Conflict):
                self._run(self._journal.append(session, *events))
        else:
            self._keep(session, *events)

    @rule(session=sessions, key=st.sampled_from("abcdef"), text=_text)
    def receive(self, session: str, key: str, text: str) -> None:
        message = said(text, f"m-{key}", dedupe_key=key)
        if key in self._accepted:
            with pytest.raises(Duplicate):
                self._run(self._journal.append(session, message))
        elif not self._ended(session):
            self._keep(session, message)
            self._accepted.add(key)

    @rule(session=sessions, finished=st.booleans())
    def run_once(self, session: str, finished: bool) -> None:
        if not self._ended(session):
            run = f"r{len(self._model[session])}"
            self._keep(session, RunStarted("main", "demo"), run=run)
            if finished:
                self._keep(session, RunFinished("done"), run=run)

    @rule(session=sessions)
    def end(self, session: str) -> None:
        if not self._ended(session):
            self._keep(session, SessionEnded())

    @rule(target=sessions, session=sessions, part=st.floats(0, 1))
    def fork(self, session: str, part: float) -> object:
        past = self._model[session]
        cut = next((e.seq - 1 for e in past if isinstance(e.event, SessionEnded)), len(past))
        at = max(1, round(part * len(past)))
        new = f"s{len(self._model)}"
        info = self._run(self._journal.fork(session, at, new))
        copied = [msgspec.structs.replace(envelope, session=new) for envelope in past[: min(at, cut)]]
        start = msgspec.structs.replace(STARTED, forked_from=session, forked_at=len(copied))
        copied[0] = Envelope(1, new, self._clock.now(), start)
        runs = [envelope for envelope in copied if isinstance(envelope.event, RunStarted | RunFinished)]
        if runs and isinstance(runs[-1].event, RunStarted):
            end = RunFinished("cancelled", "the session was forked here")
            copied.append(Envelope(len(copied) + 1, new, self._clock.now(), end, runs[-1].run))
        self._model[new] = copied
        self._told.append(copied[0])
        assert (info.seq, info.state, info.forked_from) == (len(copied), "idle", session)
        return multiple(new)

    @rule(session=sessions, bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def read(self, session: str, bounds: tuple[float, float]) -> None:
        past = self._model[session]
        after, upto = sorted(round(bound * len(past)) for bound in bounds)
        assert self._run(self._journal.read(session, after, upto)) == past[after:upto]

    @rule(session=sessions, part=st.floats(0, 1))
    def replay(self, session: str, part: float) -> None:
        past = self._model[session]
        after = round(part * len(past))

        async def take() -> list[Envelope]:
            async with self._journal.subscribe(session, after) as events:
                return [await anext(events) for _ in past[after:]]

        assert self._run(take()) == past[after:]

    @rule()
    def read_a_session_that_is_not_there(self) -> None:
        with pytest.raises(NotFound):
            self._run(self._journal.session("nobody"))

    @rule()
    def crash(self) -> None:
        old = self._database
        self._check_told()
        path = str(self._path(self._opened))
        self._new(copied_from=path)
        self._run(old.close())

    @rule()
    def reopen(self) -> None:
        self._check_told()
        self._run(self._database.close())
        self._new("")

    def _check_told(self) -> None:
        async def take() -> list[Envelope]:
            return [await anext(self._watching) for _ in self._told]

        assert self._run(take()) == self._told
        self._told = []
        self._run(self._watching.__aexit__(None, None, None))

    @invariant()
    def sums_up(self) -> None:
        infos = {info.id: info for info in self._run(self._journal.sessions())}
        assert infos.keys() == self._model.keys()
        for session, past in self._model.items():
            runs = [envelope for envelope in past if isinstance(envelope.event, RunStarted | RunFinished)]
            running = runs[-1].run if runs and isinstance(runs[-1].event, RunStarted) else ""
            state = "ended" if self._ended(session) else "running" if running else "idle"
            info = infos[session]
            assert (info.seq, info.state, info.run) == (len(past), state, running)
            assert isinstance(past[0].event, SessionStarted)

    def teardown(self) -> None:
        if hasattr(self, "_database"):
            self._run(self._database.close())
            self._runner.close()
            shutil.rmtree(self._folder)


TestJournalModel = JournalMachine.TestCase
TestJournalModel.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
