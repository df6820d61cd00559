"""The commands inside of a conversation, which begin with a slash."""

import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from carapax.agent.costs import Costs
from carapax.cli.conversation import Conversation
from carapax.cli.costs import usd
from carapax.cli.question import Questions
from carapax.cli.terminal import clean, one_line, time_of
from carapax.errors import InvalidRequest
from carapax.events import Scope
from carapax.store.records import SessionInfo
from carapax.store.spend import Tally

EFFORTS = ("off", "low", "medium", "high", "default")
_ANSWERS: dict[str, Scope | None] = {"": "once", "once": "once", "session": "session", "always": "always", "no": None}


class Told(NamedTuple):
    """How a command is written, what it does, and what its word is one of, for completion."""

    usage: str
    meaning: str
    word: str = ""


COMMANDS = {
    "/new": Told("/new", "start another session"),
    "/sessions": Told("/sessions [WORDS]", "list the last sessions, or those that hold the words"),
    "/session": Told("/session ID", "go on with one of them", "session"),
    "/fork": Told("/fork [SEQ]", "go on in a copy of this session, up to an event"),
    "/title": Told("/title TEXT", "give this session a name"),
    "/model": Told(
        "/model [NAME]", "tell or choose the model, from the next run on; `default` for the agent's", "model"
    ),
    "/agent": Told("/agent [NAME]", "list the agents, or choose who answers here", "agent"),
    "/think": Told("/think off|low|medium|high", "how hard the model thinks; `default` for the agent's", "effort"),
    "/compact": Told("/compact", "have the model sum up the session, so that what follows is cheaper"),
    "/cost": Told("/cost", "what this session and today cost, and how the budgets stand"),
    "/attach": Told("/attach FILE", "let a file go along with the next message", "file"),
    "/show": Told("/show [N]", "all of what was folded under a number, or last"),
    "/approve": Told("/approve [once|session|always|no]", "answer what the agent asks", "answer"),
    "/stop": Told("/stop", "stop what the agent is doing (so does Ctrl-C)"),
    "/help": Told("/help", "this list"),
    "/quit": Told("/quit", "leave (so does Ctrl-D)"),
}


class _Compacted(Struct):
    tokens_before: int
    tokens_after: int


class _Listed(Struct):
    sessions: list[SessionInfo]


class Slash:
    """`folded` gives what was folded under a number, or last."""

    def __init__(self, conversation: Conversation, questions: Questions, folded: Callable[[int | None], str]) -> None:
        self._conversation = conversation
        self._questions = questions
        self._folded = folded

    async def obey(self, line: str) -> str:
        """Do what the line says, and tell what came of it. Raises CarapaxError."""
        name, _, rest = line.strip().partition(" ")
        meant = COMMANDS.get(name)
        if meant is None:
            raise InvalidRequest(f"there is no {clean(name)}", "/help lists what there is")
        act: Callable[[str], Awaitable[str]] = getattr(self, f"_{name[1:]}")
        return await act(rest.strip())

    async def _new(self, rest: str) -> str:
        self._conversation.session = ""
        return "a new session begins with what you say next"

    async def _sessions(self, rest: str) -> str:
        params: dict[str, Any] = {"limit": 10, **({"query": rest} if rest else {})}
        found = (await self._conversation.call("session.list", params, _Listed)).sessions
        lines = [f"{info.id}  {time_of(info.updated_at)}  {one_line(info.title or info.agent, 60)}" for info in found]
        return "\n".join([*lines, "/session ID goes on with one"] if lines else ["there are none"])

    async def _session(self, rest: str) -> str:
        info = await self._conversation.call("session.get", {"session": rest}, SessionInfo)
        return self._go_on(info)

    async def _fork(self, rest: str) -> str:
        params: dict[str, Any] = {"session": self._here(), **({"at": _number(rest, "/fork SEQ")} if rest else {})}
        return "this is a copy: " + self._go_on(await self._conversation.call("session.fork", params, SessionInfo))

    async def _title(self, rest: str) -> str:
        info = await self._conversation.call("session.rename", {"session": self._here(), "title": rest}, SessionInfo)
        return f"the session is called {one_line(info.title)}"

    async def _model(self, rest: str) -> str:
        if not rest:
            return f"the model is {clean(await self._model_now())}; /model NAME chooses another"
        name = "" if rest == "default" else rest
        if self._conversation.session:
            params = {"session": self._conversation.session, "model": name}
            await self._conversation.call("session.configure", params, SessionInfo)
            self._conversation.model = ""
        else:
            self._conversation.model = name
        return f"from now on the model is {clean(name) or 'that of the agent'}"

    async def _model_now(self) -> str:
        if self._conversation.model:
            return self._conversation.model
        agent = self._conversation.agent
        if self._conversation.session:
            params = {"session": self._conversation.session}
            info = await self._conversation.call("session.get", params, SessionInfo)
            if info.model:
                return info.model
            agent = info.agent
        known = await self._conversation.agents()
        return next((one.model for one in known if agent in ("", one.name)), "not known")

    async def _agent(self, rest: str) -> str:
        known = await self._conversation.agents()
        if not rest:
            rows = [(one.name, one.called, clean(one.model), one_line(one.description)) for one in known]
            return "\n".join("  ".join(filter(None, row)) for row in rows)
        if rest not in [one.name for one in known]:
            names = ", ".join(one.name for one in known)
            raise InvalidRequest(f"there is no agent {clean(rest)!r}", f"there are: {names}")
        if session := self._conversation.session:
            await self._conversation.call("session.configure", {"session": session, "agent": rest}, SessionInfo)
        self._conversation.agent = rest
        return f"from now on {rest} answers"

    async def _think(self, rest: str) -> str:
        if rest not in EFFORTS:
            raise InvalidRequest(f"{COMMANDS['/think'].usage} says how hard the model thinks")
        await self._conversation.begin()
        params = {"session": self._conversation.session, "effort": "" if rest == "default" else rest}
        await self._conversation.call("session.configure", params, SessionInfo)
        return f"from the next run on the model thinks: {rest}"

    async def _compact(self, rest: str) -> str:
        done = await self._conversation.call("session.compact", {"session": self._here()}, _Compacted)
        return f"summed up: about {done.tokens_before:,} tokens are {done.tokens_after:,} now; the record keeps all"

    async def _cost(self, rest: str) -> str:
        today = await self._conversation.call("costs.get", {"days": 1}, Costs)
        lines = [f"today    {usd(today.total.cost_usd)} USD"]
        if session := self._conversation.session:
            spent = await self._conversation.call("costs.session", {"session": session}, Tally)
            lines.insert(0, f"session  {usd(spent.cost_usd)} USD, {spent.input:,} tokens in, {spent.output:,} out")
        for budget in today.budgets:
            lines.append(f"budget {one_line(budget.name, 40)}: {usd(budget.spent_usd)} of {usd(budget.limit_usd)} USD")
        return "\n".join(lines)

    async def _attach(self, rest: str) -> str:
        try:
            words = shlex.split(rest)
        except ValueError:
            words = [rest]
        file = await self._conversation.attach(Path(words[0] if len(words) == 1 else rest))
        return f"{one_line(file.name)} goes along with the next message ({file.media_type})"

    async def _show(self, rest: str) -> str:
        return self._folded(_number(rest, "/show N") if rest else None) or "nothing is folded there"

    async def _approve(self, rest: str) -> str:
        if rest not in _ANSWERS:
            raise InvalidRequest(f"{COMMANDS['/approve'].usage} answers what the agent asks")
        asked = self._questions.next()
        if asked is None:
            return "nothing waits for an answer here"
        await self._conversation.answer(asked, _ANSWERS[rest])
        return ""

    async def _stop(self, rest: str) -> str:
        await self._conversation.cancel()
        return ""

    async def _help(self, rest: str) -> str:
        widest = max(len(told.usage) for told in COMMANDS.values())
        return "\n".join(f"{told.usage:{widest}}  {told.meaning}" for told in COMMANDS.values())

    def _here(self) -> str:
        if not self._conversation.session:
            raise InvalidRequest("there is no session yet", "say something first, or /session ID goes on with one")
        return self._conversation.session

    def _go_on(self, info: SessionInfo) -> str:
        self._conversation.session, self._conversation.agent, self._conversation.model = info.id, info.agent, ""
        return f"session {info.id} {one_line(info.title)}".rstrip()


def _number(word: str, usage: str) -> int:
    if not word.isdecimal() or len(word) > 15:
        raise InvalidRequest(f"{clean(word)!r} is no number", usage)
    return int(word)
