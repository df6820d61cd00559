"""The first conversation of a new home: the agent asks who it is to be, and writes down what its owner says."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from carapax.agent.reading import Reading
from carapax.agent.toolbox import Permitted, Tools, Workable
from carapax.config import AgentConfig, UserConfig
from carapax.contracts import Effect, Source, Toolbox, ToolContext
from carapax.errors import InvalidRequest
from carapax.events import Rerun
from carapax.personas import Personas

TOOL = "write_persona"
MOST_MESSAGES = 3
"""Who has not answered by then is not asked any more."""
_ASKED = {
    "user_name": "what you shall call them",
    "agent_name": "what they want to call you",
    "manner": "how you shall talk to them: brief or thorough, plain or playful",
    "avoid": "what you shall avoid",
}
_LONGEST = {"user_name": 80, "agent_name": 80, "manner": 2000, "avoid": 2000}
_INVITATION = """\
You are new here, and nobody has said yet who you are to be. Begin your first answer with a sentence or two about \
yourself, then ask, all in one message:
{questions}
Say that they may leave out what they like, and that you then go on with what they asked. When they answer, call \
`{tool}` once, with what they said and nothing else; then go on with what they asked first. If they would rather not, \
or just want something done, do that, and do not ask a second time."""


def missing(agent: AgentConfig, user: UserConfig) -> tuple[str, ...]:
    """What there is to ask: all that the configuration does not say."""
    known = {"user_name": user.name, "agent_name": agent.title, "manner": agent.manner}
    return tuple(name for name in _ASKED if not known.get(name))


def invitation(asked: tuple[str, ...]) -> str:
    """What the model is told, so that it asks."""
    return _INVITATION.format(questions="\n".join(f"- {_ASKED[name]}" for name in asked), tool=TOOL)


def may_be_introduced(reading: Reading) -> bool:
    """Whether nobody but owners has had a word in the session, and it has only begun."""
    return reading.owners_only and not reading.origins and reading.heard <= MOST_MESSAGES


def introducing(
    personas: Personas, agent: str, patterns: tuple[str, ...], asked: tuple[str, ...], open_: Callable[[], bool]
) -> Toolbox:
    """The tool that writes the persona of an agent that may use tools of these names; it is there while `open_`, and
    until there is a persona."""

    def idle() -> tuple[str, ...]:
        return () if open_() and personas.read(agent) is None else (TOOL,)

    return Workable(Permitted(Tools([_WritePersona(personas, agent, asked)]), patterns), idle)


class _WritePersona:
    """Writes what an owner has said of who the agent is to be."""

    name = TOOL
    description = "Write down who you are to be, as the person has just told you. Leave out what they did not say."
    effects: frozenset[Effect] = frozenset(("write",))
    rerun: Rerun = "idempotent"
    authority: tuple[str, ...] | None = None
    source: Source | None = "own"

    def __init__(self, personas: Personas, agent: str, asked: tuple[str, ...]) -> None:
        self._personas = personas
        self._agent = agent
        self.parameters: dict[str, Any] = {
            "type": "object",
            "properties": {
                name: {"type": "string", "maxLength": _LONGEST[name], "description": _ASKED[name]} for name in asked
            },
            "required": [],
            "additionalProperties": False,
        }

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        return self.effects

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        said = {name: " ".join(str(value).split()) for name, value in arguments.items()}
        if not any(said.values()):
            raise InvalidRequest("nothing was said", "call it with what the person answered, or not at all")
        await asyncio.to_thread(self._personas.write, self._agent, _text(said), anew=False)
        return "It is written down and counts from now on. Go on with what you were asked first."


def _text(said: Mapping[str, str]) -> str:
    """The persona as a person would write it, to be edited."""
    lines = (
        ("You are called {}.", "agent_name"),
        ("The person you work for is called {}: call them that.", "user_name"),
        ("Your manner: {}", "manner"),
        ("Avoid: {}", "avoid"),
    )
    heading = [f"# {said['agent_name']}", ""] if said.get("agent_name") else []
    return "\n".join([*heading, *(f"- {text.format(said[name])}" for text, name in lines if said.get(name))])
