"""Writes docs/reference/ and docs/providers.md from the code: `python -m docs.generate`.

A test fails when a page is out of date.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import click
import msgspec
from msgspec import Struct

from carapax import extensions
from carapax.api import OPERATIONS
from carapax.cli.group import carapax
from carapax.config import Config
from carapax.configdoc import Key, keys, listed_table_type, named_table_type, summary, table_type, toml
from carapax.events import Envelope, Kept, Streamed
from carapax.messages import AssistantMessage, Sender, ToolCall, ToolResult, Usage
from carapax.telemetry.exposition import name_of
from carapax.telemetry.meters import Meters
from carapax.telemetry.registry import Counter
from docs import providers

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by `make docs` from the code. -->\n\n"


API_ONLY = {
    "config.reload": "the gateway watches its file; this is for scripts that do not wait",
    "model.health": "the page has it with the providers",
    "model.recover": "checking a provider in the page ends its rest as well",
    "model.refresh": "facts come with each release; `carapax models refresh` is for who wants newer ones",
    "owner.code": "a setup code is for who has the machine, so it is told in the terminal",
    "session.get": "the page has it from the list of sessions",
    "session.history": "the page folds the events itself",
    "session.reading": "the page folds the events itself",
    "tools.execute": "in the page a person asks an agent, whose calls are decided about",
    "tools.list": "the page has more from the catalogue of tools",
}
"""Operations that the page does not call, and why."""


def pages() -> dict[str, str]:
    """Every page that is written, by its place as seen from the reference."""
    writers: dict[str, Callable[[], Iterator[str]]] = {
        "configuration.md": _configuration,
        "cli.md": _cli,
        "api.md": _api,
        "events.md": _events,
        "metrics.md": _metrics,
        "../providers.md": providers.page,
    }
    return {name: _NOTE + "\n".join(write()).rstrip() + "\n" for name, write in writers.items()}


def _configuration() -> Iterator[str]:
    yield "# Configuration reference"
    yield "\nEvery key of `carapax.toml`. Absent keys have the default; unknown keys are refused.\n"
    yield from _table("", Config)
    for table, kind_name in (("tools", "tool"), ("sandboxes", "sandbox")):
        for name in extensions.names(kind_name):  # type: ignore[arg-type]  # both are kinds
            config: type[Struct] | None = getattr(extensions.find(kind_name, name), "Config", None)  # type: ignore[arg-type]  # both are kinds
            if config is not None and msgspec.structs.fields(config):
                yield from _table(f"{table}.{name}", config)


def _metrics() -> Iterator[str]:
    yield "# Metrics reference"
    yield "\nWhat `/metrics` gives, and what a collector gets under the name of OpenTelemetry.\n"
    yield "| Prometheus | OpenTelemetry | kind | labels | meaning |\n| --- | --- | --- | --- | --- |"
    for family in Meters().all():
        total = "_total" if isinstance(family, Counter) else ""
        labels = ", ".join(f"`{label.replace('.', '_')}`" for label in family.labels)
        unit = f" ({family.unit.strip('{}')})" if family.unit else ""
        name = f"`{name_of(family)}{total}` | `{family.name}`"
        yield f"| {name} | {family.kind} | {labels} | {_cell(family.meaning)}{unit} |"


def _table(path: str, kind: type[Struct]) -> Iterator[str]:
    """A table, then the tables inside of it."""
    title = f"[{path}]" if path else "carapax.toml"
    tables = (table_type, named_table_type, listed_table_type)
    plain = [key for key in keys(kind) if not any(is_table(key.type) for is_table in tables)]
    yield f"## `{title}`\n\n{summary(kind)}\n"
    if plain:
        yield "| key | default | meaning |\n| --- | --- | --- |"
        yield from (f"| `{key.name}` | {_default(key)} | {_cell(key.meaning)} |" for key in plain)
        yield ""
    for key in keys(kind):
        place = f"{path}.{key.name}" if path else key.name
        if inner := table_type(key.type):
            yield from _table(place, inner)
        elif named := named_table_type(key.type):
            yield from _table(f"{place}.NAME", named)
        elif listed := listed_table_type(key.type):
            yield from _table(f"[{place}]", listed)


def _default(key: Key) -> str:
    return "not set" if key.default is None else f"`{_cell(toml(key.default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _cli() -> Iterator[str]:
    yield "# Command reference\n\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration.\n"
    yield from _command(carapax, "carapax", click.Context(carapax, info_name="carapax"))


def _command(command: click.Command, path: str, context: click.Context) -> Iterator[str]:
    formatter = context.make_formatter()
    formatter.width = 100
    command.format_help(context, formatter)
    yield f"## `{path}`\n\n```text\n{formatter.getvalue().rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _command(child, f"{path} {name}", click.Context(child, info_name=name, parent=context))


def _api() -> Iterator[str]:
    yield "# Operation reference\n"
    yield (
        "Each operation is a JSON-RPC method over `POST /rpc` and `/ws`, and most have a REST form; "
        "[api.md](../api.md) says how to call them. A running gateway serves the same as OpenAPI 3.1 under "
        "`/api/openapi.json`.\n"
    )
    for name, operation in OPERATIONS.items():
        forms = ", ".join(f"`{operation.method} {path}`" for path in operation.paths) or "RPC only"
        apart = f" Not in the page: {API_ONLY[name]}." if name in API_ONLY else ""
        yield f"## `{name}`\n\n{operation.summary}\n\nScope `{operation.scope}`; REST: {forms}.{apart}\n"
        yield from _fields("takes", operation.params)
        yield from _fields("gives", operation.result)


def _fields(verb: str, kind: type[Struct]) -> Iterator[str]:
    if not msgspec.structs.fields(kind):
        return
    yield f"| {verb} | meaning |\n| --- | --- |"
    yield from (f"| `{key.name}` | {_cell(key.meaning)} |" for key in keys(kind))
    yield ""


def _events() -> Iterator[str]:
    yield "# Event reference\n"
    yield "Kept events stand in a session's journal for ever; streamed events are shown to whoever watches.\n"
    yield from _struct(Envelope)
    yield "## Kept events\n"
    for kind in get_args(Kept):
        yield from _struct(kind)
    yield "## Streamed events\n"
    for kind in get_args(Streamed):
        yield from _struct(kind)
    yield "## What they hold\n"
    for kind in (Sender, AssistantMessage, ToolCall, ToolResult, Usage):
        yield from _struct(kind)


def _struct(kind: type[Struct]) -> Iterator[str]:
    tag = kind.__struct_config__.tag
    name = f"`{tag}`" if isinstance(tag, str) and kind.__struct_config__.tag_field == "kind" else f"{kind.__name__}"
    yield f"### {name}\n"
    if kind.__doc__:
        yield " ".join(kind.__doc__.split()) + "\n"
    names = ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(kind))
    yield f"Fields: {names}.\n" if names else "No fields.\n"


def main() -> int:
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
