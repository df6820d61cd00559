"""Builds a run: the agent's model, instructions, tools and limits, put together for one session."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol, get_args

from carapax.agent.compaction import compact
from carapax.agent.context import Transcript
from carapax.agent.loop import Gate, Limits, Record, Run
from carapax.agent.prompt import About, system_prompt, told_files
from carapax.agent.results import valid
from carapax.agent.toolbox import Joined, Tools
from carapax.clock import Clock
from carapax.config import AgentConfig, UserConfig
from carapax.contracts import (
    Credentials,
    Egress,
    Embedder,
    Provider,
    Sandbox,
    Searcher,
    Spender,
    Tool,
    Toolbox,
    ToolContext,
)
from carapax.errors import NotFound
from carapax.events import HistoryCompacted, Streamed, ToolProgress
from carapax.invisible import strip
from carapax.messages import Effort, ToolCall
from carapax.personas import Personas
from carapax.sessions.instructions import PERSONAL, Instruction, Instructions
from carapax.sessions.introduction import introducing, invitation, may_be_introduced, missing
from carapax.store.days import Days
from carapax.store.journal import Journal


class Models(Protocol):
    """The models that are configured or were found."""

    async def open(self, model: str, spender: Spender | None = None) -> tuple[Provider, str]:
        """The provider for "provider/model" or "auto", and the model's name there. What it costs is counted for the
        spender.

        Raises ConfigError, NotFound or a ModelError.
        """
        ...

    async def embedder(self, model: str, spender: Spender | None = None) -> tuple[Embedder, str]:
        """The embedder for "provider/model" or "provider", and the model's name there. What it costs is counted for the
        spender. Raises as `open` does."""
        ...

    def searcher(self) -> Searcher | None:
        """What searches the web now, if anything does."""
        ...

    async def context_tokens(self, model: str) -> int:
        """How many tokens may be sent to what `open` would choose."""
        ...

    def check(self, model: str) -> None:
        """Raises NotFound, with what was probably meant, for a name that begins with no provider and is no chain."""
        ...

    def describe(self, model: str) -> tuple[str, str]:
        """What `open` would choose, as "provider/model", and a sentence why."""
        ...


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, ready to run. `tool_settings` maps a tool's name to its module's `Config`.

    `sandbox_detail` says why its sandbox cannot be had, and what to do; it is empty when all is well. One that is not
    `configured` any more only stands for it in its sessions, where its runs fail. Its sandbox is there for as long as
    what is `used` says so, and while it is configured.
    """

    name: str
    config: AgentConfig
    toolbox: Toolbox
    sandbox: Sandbox
    egress: Egress
    tool_settings: Mapping[str, object]
    sandbox_detail: str = ""
    configured: bool = True
    credentials: Credentials | None = None
    used: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def private(self) -> bool:
        """Whether its tools reach more than what anybody could."""
        tools = (self.toolbox.find(spec.name) for spec in self.toolbox.specs())
        return any(tool is not None and tool.source not in ("outside", "found") for tool in tools)


def removed(name: str, other: Agent) -> Agent:
    """What stands for an agent that was taken out of the configuration, made from any other one."""
    return replace(other, name=name, toolbox=Tools(()), configured=False)


def model_of(agent: Agent, transcript: Transcript) -> str:
    """The model of a session: what was chosen for it, else the agent's."""
    return str(transcript.state.get("model") or agent.config.model)


def effort_of(agent: Agent, transcript: Transcript) -> Effort:
    """How much the model of a session thinks: as was chosen for it, else as the agent's. An imported session may hold
    anything."""
    chosen = transcript.state.get("effort")
    return next((effort for effort in get_args(Effort) if effort == chosen), agent.config.effort)


@dataclass(frozen=True, slots=True)
class Prepare:
    """Builds runs for any agent. `user` is the person it works for and `days` their calendar, as
    configured now."""

    clock: Clock
    monotonic: Callable[[], float]
    models: Models
    journal: Journal
    personas: Personas
    instructions: Instructions
    user: Callable[[], UserConfig]
    days: Callable[[], Days]

    async def run(
        self,
        agent: Agent,
        session: str,
        run_id: str,
        transcript: Transcript,
        record: Record,
        show: Callable[[Streamed], None],
        steering: Callable[[], tuple[str, ...]],
        gate: Gate,
    ) -> Run:
        """Raises ConfigError, NotFound or a ModelError when the model cannot be had."""
        if not agent.configured:
            raise NotFound(f"there is no agent {agent.name!r} any more", "configure it again, or start a new session")
        config = agent.config
        chosen = transcript.run_model or model_of(agent, transcript)
        provider, model = await self.models.open(chosen, Spender(agent.name, session, run_id))
        limits = Limits(
            config.max_iterations,
            config.max_seconds,
            config.context_tokens or await self.models.context_tokens(chosen),
            config.max_output_tokens or None,
        )
        files = await self.instructions.read(agent.name)
        toolbox, asking = await self._introduced(agent, session, transcript, files)
        return Run(
            transcript,
            provider,
            model,
            self._told(agent, files, asking),
            toolbox,
            gate,
            limits,
            record,
            show,
            steering,
            lambda tool, call: self.context(agent, session, run_id, tool, call, show),
            self.monotonic,
            config.temperature,
            effort_of(agent, transcript),
        )

    def title(self, agent: Agent) -> str:
        """What people call an agent."""
        persona = self.personas.read(agent.name)
        return strip(agent.config.title or (persona.title if persona else "")).strip() or agent.name

    def _told(self, agent: Agent, files: Iterable[Instruction], asking: str) -> str:
        config, persona = agent.config, self.personas.read(agent.name)
        text = config.persona if persona is None else persona.text
        about = About(self.title(agent), text, config.emoji, config.manner, self.user().name)
        told = told_files((file.name, file.text, file.problem) for file in files)
        secrets = agent.credentials.told() if agent.credentials else ""
        return system_prompt(about, self.days().in_words(self.clock.now()), told, secrets, asking)

    async def _introduced(
        self, agent: Agent, session: str, transcript: Transcript, files: Iterable[Instruction]
    ) -> tuple[Toolbox, str]:
        """The agent's tools; while nobody has said who it is, also one to write that down, and a word that it asks."""
        reading, config = transcript.reading, agent.config
        has_persona = config.persona or any(file.name in PERSONAL for file in files)
        if has_persona or not may_be_introduced(reading) or self.personas.read(agent.name) is not None:
            return agent.toolbox, ""
        if not await self.journal.is_first(session):
            return agent.toolbox, ""
        asked = missing(config, self.user())
        own = introducing(self.personas, agent.name, config.tools, asked, lambda: may_be_introduced(reading))
        return (Joined(agent.toolbox, own), invitation(asked)) if own.specs() else (agent.toolbox, "")

    async def compact(self, agent: Agent, session: str, run_id: str, transcript: Transcript) -> HistoryCompacted:
        """Have the session's model sum it up. Raises ConfigError, NotFound or a ModelError."""
        chosen = model_of(agent, transcript)
        provider, model = await self.models.open(chosen, Spender(agent.name, session, run_id))
        tokens = agent.config.context_tokens or await self.models.context_tokens(chosen)
        return await compact(transcript, provider, model, tokens, full=False)

    def context(
        self,
        agent: Agent,
        session: str,
        run_id: str,
        tool: Tool,
        call: ToolCall,
        show: Callable[[Streamed], None],
    ) -> ToolContext:
        """What one call of a tool may use."""
        return ToolContext(
            agent=agent.name,
            session=session,
            run=run_id,
            call_id=call.id,
            sandbox=agent.sandbox.of(session),
            egress=agent.egress,
            clock=self.clock,
            progress=lambda text: show(ToolProgress(call.id, valid(text))),
            config=agent.tool_settings.get(tool.name),
            search=self.models.searcher(),
            credentials=agent.credentials,
        )
