"""`carapax sessions`: list, show, replay, fork, export, import."""

import sys
import time
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.progress import progress
from carapax.cli.record import open_record
from carapax.cli.terminal import clean, dim, one_line, time_of, write
from carapax.events import (
    Envelope,
    MessageReceived,
    ModelResponded,
    RunFinished,
    SessionStarted,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import Text, Thinking


@click.group()
@takes_home
def command() -> None:
    """List, show, replay, fork, export and import sessions."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One session a line, as JSON.")
@takes_home
def list_(limit: int, as_json: bool) -> None:
    """List sessions, last changed first."""
    for session in open_record(home()).sessions(limit):
        if as_json:
            click.echo(msgspec.json.encode(session))
        else:
            title = one_line(session.title or session.conversation, 50)
            click.echo(f"{session.id}  {time_of(session.updated_at)}  {session.state:7}  {session.agent}  {title}")


@command.command()
@click.argument("session")
@takes_home
def show(session: str) -> None:
    """Print the conversation of SESSION."""
    for envelope in open_record(home()).events(session):
        if text := _spoken(envelope):
            write(text + "\n")


@command.command()
@click.argument("session")
@click.option(
    "--speed",
    type=click.FloatRange(0),
    default=0,
    help="As fast as it happened with 1, twice as fast with 2; without pauses with 0.  [default: 0]",
)
@click.option("--json", "as_json", is_flag=True, help="One event a line, as JSON.")
@takes_home
def replay(session: str, speed: float, as_json: bool) -> None:
    """Print the events of SESSION as they happened."""
    before = 0.0
    for envelope in open_record(home()).events(session):
        if speed and before:
            time.sleep(max(0.0, envelope.at - before) / speed)
        before = envelope.at
        write((msgspec.json.encode(envelope).decode() if as_json else _happened(envelope)) + "\n")


@command.command()
@click.argument("session")
@click.option("--at", type=click.IntRange(1), help="The last event to copy, by its number.  [default: all]")
@takes_home
def fork(session: str, at: int | None) -> None:
    """Copy SESSION up to an event into a new one, and print its id."""
    click.echo(open_record(home()).fork(session, at).id)


@command.command()
@click.argument("session")
@click.option("--output", "-o", type=click.File("wb"), default="-", help="Where to.  [default: standard output]")
@takes_home
def export(session: str, output: BinaryIO) -> None:
    """Write SESSION as JSON lines, one event each."""
    with progress("exporting the session"):
        exported = open_record(home()).export(session)
    output.write(exported)


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@takes_home
def import_(file: Path) -> None:
    """Make a new session of the JSON lines in FILE (- for standard input), and print its id."""
    lines = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    with progress("importing the session"):
        made = open_record(home()).import_(lines)
    click.echo(made.id)


def _spoken(envelope: Envelope) -> str:
    tty = sys.stdout.isatty()
    match envelope.event:
        case MessageReceived(sender=sender, text=text):
            return f"\n> {clean(sender.name + ': ' if sender.name else '')}{clean(text)}"
        case ModelResponded(message=message):
            said = [_part(part, tty) for part in message.parts if isinstance(part, Text | Thinking) and part.text]
            return "\n".join(said)
        case ToolCalled(call=call):
            return dim(f"· {one_line(call.name)} {one_line(call.arguments)}", tty)
        case ToolReturned(result=result):
            return dim(f"  {'failed: ' if result.is_error else ''}{one_line(result.text)}", tty)
        case RunFinished(reason=reason, detail=detail) if reason != "done":
            return f"({reason}: {clean(detail)})"
        case SessionStarted(agent=agent):
            return dim(f"session {envelope.session} with {clean(agent)}, {time_of(envelope.at)}", tty)
    return ""


def _part(part: Text | Thinking, tty: bool) -> str:
    return clean(part.text) if isinstance(part, Text) else dim(clean(part.text), tty)


def _happened(envelope: Envelope) -> str:
    fields = msgspec.to_builtins(envelope.event)
    kind = fields.pop("kind")
    return f"{envelope.seq:5}  {time_of(envelope.at)}  {kind:17}  {one_line(msgspec.json.encode(fields).decode(), 160)}"
