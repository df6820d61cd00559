"""Our own tools as they declare themselves, and a few that a plug-in could bring, all with prepared results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from carapax.contracts import Effect, Source, ToolContext
from carapax.events import Rerun
from carapax.tools.edit_file import edit_file
from carapax.tools.list_files import list_files
from carapax.tools.read_file import read_file
from carapax.tools.search_files import search_files
from carapax.tools.shell import shell
from carapax.tools.web_fetch import web_fetch
from carapax.tools.web_search import web_search
from carapax.tools.write_file import write_file


@dataclass(frozen=True)
class Declared:
    """What a plug-in says of its tool."""

    name: str
    effects: frozenset[Effect]
    authority: tuple[str, ...] | None = None
    source: Source | None = "outside"
    rerun: Rerun = "at_most_once"

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        return self.effects


class Declares(Protocol):
    """What policy goes by of a tool."""

    @property
    def name(self) -> str: ...
    @property
    def effects(self) -> frozenset[Effect]: ...
    @property
    def authority(self) -> tuple[str, ...] | None: ...
    @property
    def source(self) -> Source | None: ...
    @property
    def rerun(self) -> Rerun: ...

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]: ...


def _reads(name: str, source: Source) -> Declared:
    return Declared(name, frozenset({"read"}), source=source, rerun="pure")


def _does(name: str, *effects: Effect, by: tuple[str, ...]) -> Declared:
    return Declared(name, frozenset(effects), by)


DECLARED: dict[str, Declares] = {
    tool.name: tool
    for tool in (
        edit_file,
        list_files,
        read_file,
        search_files,
        shell,
        web_fetch,
        web_search,
        write_file,
        _reads("mail_search", "outside"),
        _does("mail_send", "message", by=("to",)),
        _reads("calendar_list", "outside"),
        _does("calendar_add", "write", "message", by=("title", "with")),
        _does("calendar_move", "write", "message", by=("id", "start")),
        _does("calendar_cancel", "destroy", "message", by=("id",)),
        _reads("contacts_find", "own"),
        _reads("memory_recall", "outside"),
        _does("memory_save", "write", by=("text",)),
        _does("schedule_add", "write", by=("task", "at")),
        _does("agent_ask", "message", by=("agent", "task")),
    )
}


class Results(Protocol):
    """Where prepared results come from."""

    def result(self, call_id: str) -> str: ...


@dataclass(frozen=True)
class StandIn:
    """A tool that declares what another does, and gives what was prepared for its call."""

    declared: Declares
    results: Results
    description: str = "A tool."

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def parameters(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": True}

    @property
    def effects(self) -> frozenset[Effect]:
        return self.declared.effects

    @property
    def authority(self) -> tuple[str, ...] | None:
        return self.declared.authority

    @property
    def source(self) -> Source | None:
        return self.declared.source

    @property
    def rerun(self) -> Rerun:
        return self.declared.rerun

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        return self.declared.effects_of(arguments)

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        return self.results.result(context.call_id)
