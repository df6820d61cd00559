"""`@tool` makes a Tool of a typed async function."""

import inspect
import operator
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, get_type_hints

import msgspec
from msgspec import Meta

from carapax.contracts import Effect, Source, ToolContext
from carapax.events import Rerun

Narrowed = Callable[[Mapping[str, Any]], frozenset[Effect]]
Function = Callable[Concatenate[ToolContext, ...], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A Tool made of a function; see `tool`."""

    name: str
    description: str
    parameters: dict[str, Any]
    effects: frozenset[Effect]
    rerun: Rerun
    authority: tuple[str, ...] | None
    source: Source | None
    function: Function
    arguments: type[msgspec.Struct]
    narrowed: Narrowed | None = None

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        return self.effects if self.narrowed is None else self.effects & self.narrowed(arguments)

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        given = msgspec.convert(dict(arguments), self.arguments)
        return await self.function(context, **{name: getattr(given, name) for name in given.__struct_fields__})


def tool(
    *,
    effects: tuple[Effect, ...],
    rerun: Rerun,
    authority: tuple[str, ...] | None = None,
    source: Source | None = None,
    narrowed: Narrowed | None = None,
    name: str | None = None,
) -> Callable[[Function], FunctionTool]:
    """Make a Tool of `async def name(context: ToolContext, argument: type = default, ...) -> str`.

    The docstring up to `Args:` is its description; below that, `argument: text` lines describe the arguments. Types
    are those of JSON, Literal, lists, Optional, Annotated with msgspec's Meta for limits, and Structs. TypeError for an
    argument that has no description, and for an authority that is no argument. `narrowed` says which of the effects a
    call with these arguments may have.
    """

    def make(function: Function) -> FunctionTool:
        described, about = _documentation(function)
        arguments = _arguments(function, about)
        if unknown := set(authority or ()) - set(arguments.__struct_fields__):
            raise TypeError(f"{function.__qualname__} has no argument {', '.join(sorted(unknown))}")
        return FunctionTool(
            name=name or function.__name__,
            description=described,
            parameters=_schema(arguments),
            effects=frozenset(effects),
            rerun=rerun,
            authority=authority,
            source=source,
            function=function,
            arguments=arguments,
            narrowed=narrowed,
        )

    return make


def _documentation(function: Function) -> tuple[str, dict[str, str]]:
    described, _, listed = (inspect.getdoc(function) or "").partition("Args:\n")
    about: dict[str, str] = {}
    last = ""
    for line in listed.splitlines():
        if found := re.match(r" {4}(\w+): (.+)", line):
            last = found[1]
            about[last] = found[2]
        elif last and line.strip():
            about[last] += " " + line.strip()
    return " ".join(described.split()), about


def _arguments(function: Function, about: Mapping[str, str]) -> type[msgspec.Struct]:
    hints = get_type_hints(function, include_extras=True)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.name not in about:
            raise TypeError(f"{function.__qualname__}: the docstring does not say what {parameter.name} is")
        kind = operator.getitem(Annotated, (hints[parameter.name], Meta(description=about[parameter.name])))
        if parameter.default is parameter.empty:
            fields.append((parameter.name, kind))
        else:
            fields.append((parameter.name, kind, parameter.default))
    return msgspec.defstruct(function.__name__, fields, forbid_unknown_fields=True, kw_only=True)


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), others = msgspec.json.schema_components([arguments])
    own = others.pop(reference["$ref"].removeprefix("#/$defs/"))
    own.pop("title")
    return {**own, "$defs": others} if others else own
