"""A conversation at a terminal: what happens and what is typed, at the same time."""

import asyncio
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from carapax.cli.background import Background
from carapax.cli.completing import SlashCompleter
from carapax.cli.conversation import Conversation
from carapax.cli.costs import usd
from carapax.cli.question import Questions, answers, card, choices, meant, none_of
from carapax.cli.screen import Screen, pause
from carapax.cli.scroll import Look, Scroll
from carapax.cli.slash import Slash
from carapax.cli.terminal import clean, has_colours, one_line, whole
from carapax.cli.wrapping import clip
from carapax.clock import SystemClock
from carapax.config import Home
from carapax.errors import CarapaxError
from carapax.events import Envelope, RunFinished, RunStarted
from carapax.store.records import SessionInfo
from carapax.store.spend import Tally

T = TypeVar("T")
_FRAME_S = 0.05
_SPIN_S = 0.15
_IDLE_S = 60.0


S = TypeVar("S")


class _Sessions(Struct):
    sessions: list[SessionInfo]


class _Offer(Struct):
    provider: str
    model: str


class _Models(Struct):
    models: list[_Offer]


class _Left(Exception):
    """The person leaves."""


class Talk:
    """The gateway's events come from the thread of `background`; the screen is in this one."""

    def __init__(self, background: Background[Conversation], conversation: Conversation, home: Home) -> None:
        self._background = background
        self._conversation = conversation
        self._questions = Questions()
        look = Look(lambda: shutil.get_terminal_size().columns, colours=has_colours(sys.stdout), unicode=_is_unicode())
        self._scroll = Scroll(look, conversation.is_own, lambda: conversation.origins)
        self._slash = Slash(conversation, self._questions, self._scroll.folded)
        self._words: dict[str, list[tuple[str, str]]] = {}
        self._changed = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._following: asyncio.Task[None] | None = None
        self._followed = ""
        self._joining = asyncio.Lock()
        self._lost = self._pressed = self._stops = False
        self._sending = 0
        self._shown = ""
        self._before_usd = 0.0
        self._total_usd: float | None = None
        self._clock = SystemClock()
        self._screen = Screen(
            home.data_dir / "history.jsonl",
            SlashCompleter(self._known),
            live=lambda lines: self._scroll.live(lines, self._clock.now()),
            status=self._status,
            asks=self._asks,
            typed=self._typed,
            answered=self._answered,
            interrupted=self._interrupted,
            clock=self._clock,
        )

    async def run(self) -> None:
        """Until the person leaves."""
        self._scroll.note("/help lists what else can be done; Alt-Enter or Ctrl-J begins a new line")
        try:
            async with self._tasks as tasks:
                tasks.create_task(self._paint())
                tasks.create_task(self._doing(self._begin()))
                for number in (signal.SIGHUP, signal.SIGTERM):
                    asyncio.get_running_loop().add_signal_handler(number, self._screen.leave)
                await self._screen.run()
                raise _Left
        except* _Left:
            self._screen.write(self._scroll.take())

    async def _begin(self) -> None:
        agents = await self._elsewhere(self._conversation.agents())
        self._words["agent"] = [(agent.name, agent.called or agent.description or agent.model) for agent in agents]
        self._scroll.names = {agent.name: agent.called for agent in agents if agent.called}
        await self._join()
        named = self._conversation.agent or (agents[0].name if agents else "")
        if name := self._scroll.names.get(named):
            self._scroll.note(f"you talk with {self._scroll.shown(name)}")
        if not self._scroll.model:
            self._scroll.model = self._conversation.model or next(
                (agent.model for agent in agents if agent.name == named), ""
            )
        found = await self._ask("session.list", {"limit": 50}, _Sessions)
        self._words["session"] = [(info.id, info.title or info.agent) for info in found.sessions]

    async def _paint(self) -> None:
        while True:
            if text := self._scroll.take():
                self._screen.write(text)
            self._screen.redraw()
            await asyncio.sleep(_FRAME_S)
            await pause(_SPIN_S if self._scroll.turn.running or self._sending else _IDLE_S, self._changed)
            self._changed.clear()

    async def _join(self) -> None:
        """Watch the session that is talked in."""
        async with self._joining:
            session = self._conversation.session
            if session == self._followed:
                return
            if self._following is not None:
                self._following.cancel()
            self._followed, self._total_usd = "", None
            self._questions.clear()
            if not session:
                return
            for envelope in await self._elsewhere(self._conversation.join(self._called(self._tell_lost))):
                self._take(envelope, again=True)
            self._scroll.interrupted()
            self._followed = session
            self._following = self._tasks.create_task(self._follow())

    async def _follow(self) -> None:
        await self._elsewhere(self._conversation.follow(self._called(self._take)))

    def _take(self, envelope: Envelope, *, again: bool = False) -> None:
        self._questions.follow(envelope)
        self._scroll.apply(envelope, again=again)
        match envelope.event:
            case RunStarted():
                self._before_usd = self._total_usd or 0.0
                if self._stops:
                    self._start(self._elsewhere(self._conversation.cancel()))
            case RunFinished() if not again:
                self._stops = False
                self._start(self._count())
        self._ask_next()

    def _ask_next(self) -> None:
        """Show the question that is to be answered now, right above where it is."""
        asked = self._questions.first()
        if asked is not None and asked.id != self._shown:
            self._shown = asked.id
            self._scroll.show(f"{card(asked)}\n{choices(asked)}")
        self._changed.set()

    def _tell_lost(self, lost: bool) -> None:
        if lost:
            self._scroll.interrupted()
        if self._lost and not lost:
            self._scroll.note("(the gateway is there again)")
        self._lost = lost
        self._changed.set()

    async def _count(self) -> None:
        """What the session cost so far."""
        params = {"session": self._conversation.session}
        self._total_usd = (await self._ask("costs.session", params, Tally)).cost_usd

    def _typed(self, text: str) -> None:
        self._pressed = False
        text = whole(text)
        line = text.strip()
        if line in ("/quit", "/exit"):
            self._screen.leave()
        elif line.startswith("/") and "\n" not in line:
            self._scroll.note(f"> {clean(line)}")
            self._start(self._obey(line))
        elif line:
            self._scroll.said(text.rstrip())
            self._start(self._say(text))
        self._changed.set()

    async def _say(self, text: str) -> None:
        self._sending += 1
        self._stops = False
        try:
            await self._elsewhere(self._conversation.begin())
            await self._join()
            await self._elsewhere(self._conversation.send(text))
        finally:
            self._sending -= 1

    async def _obey(self, line: str) -> None:
        if line == "/stop":
            self._stops = self._sending > 0
        told = await self._elsewhere(self._slash.obey(line))
        if told and line.startswith("/show"):
            self._scroll.show(told)
        elif told:
            self._scroll.tell(told)
        if line.startswith("/model ") and self._conversation.model:
            self._scroll.model = self._conversation.model
        await self._join()

    def _answered(self, question: str, text: str) -> None:
        asked = self._questions.first()
        if asked is None or asked.id != question:
            self._scroll.note("(no answer is needed any more)")
        elif (key := meant(text)) in (allowed := answers(asked)):
            self._questions.forget(asked)
            self._start(self._elsewhere(self._conversation.answer(asked, allowed[key])))
        elif text.startswith("/"):
            self._typed(text)
        elif text:
            self._scroll.note(none_of(text, allowed))
        self._ask_next()

    def _interrupted(self) -> bool:
        """What runs is stopped first; whether to leave."""
        if asked := self._questions.first():
            self._answered(asked.id, "n")
            return False
        busy = self._scroll.turn.running or self._sending > 0
        if busy and not self._stops:
            self._stops = True
            self._scroll.note("(stopping; Ctrl-C twice more leaves)")
            self._start(self._elsewhere(self._conversation.cancel()))
        elif self._pressed:
            return True
        else:
            self._pressed = True
            self._scroll.note("(Ctrl-C once more leaves)")
        self._changed.set()
        return False

    def _asks(self) -> tuple[str, str]:
        asked = self._questions.first()
        return (asked.id, f"[{'/'.join(answers(asked))}]") if asked else ("", "")

    def _status(self) -> str:
        parts = [one_line(self._scroll.model, 40)]
        if self._scroll.effort:
            parts.append(f"thinks {one_line(self._scroll.effort, 10)}")
        if self._total_usd is not None and not self._scroll.turn.running:
            parts.append(f"turn {usd(self._total_usd - self._before_usd)} USD, session {usd(self._total_usd)} USD")
        if self._lost:
            parts.insert(0, "the gateway is gone; trying again")
        elif self._scroll.turn.running:
            parts.insert(0, f"{max(0, self._clock.now() - self._scroll.turn.begun_at):.0f} s, Ctrl-C stops")
        elif self._sending:
            parts.insert(0, "sending")
        return clip(" · ".join(part for part in parts if part), shutil.get_terminal_size().columns - 1)

    def _known(self, kind: str) -> Sequence[tuple[str, str]]:
        if kind == "model" and kind not in self._words:
            self._words[kind] = []
            self._start(self._list_models())
        return self._words.get(kind, ())

    async def _list_models(self) -> None:
        found = (await self._ask("model.list", {}, _Models)).models
        self._words["model"] = [
            ("default", "that of the agent"),
            *((f"{one.provider}/{one.model}", "") for one in found),
        ]

    async def _ask(self, method: str, params: dict[str, Any], result: type[T]) -> T:
        return await self._elsewhere(self._conversation.call(method, params, result))

    async def _elsewhere(self, work: Coroutine[object, object, T]) -> T:
        """The result of what runs where the connection is."""
        return await asyncio.wrap_future(self._background.start(work))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.create_task(self._doing(work))

    async def _doing(self, work: Coroutine[object, object, None]) -> None:
        """Do it, and tell why it cannot be done."""
        try:
            await work
        except CarapaxError as error:
            self._scroll.note(f"Error: {clean(str(error))}")
        self._changed.set()

    def _called(self, function: Callable[[S], None]) -> Callable[[S], None]:
        """The function, called in this thread from another one."""
        loop = asyncio.get_running_loop()

        def call(value: S) -> None:
            loop.call_soon_threadsafe(function, value)

        return call


def _is_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
