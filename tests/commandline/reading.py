"""What a command line runs, in short."""

from carapax.commandline import parse


def seen(text: str) -> list[str]:
    """Its commands, each with a mark when it is opaque, and last a mark when it is unclear."""
    line = parse(text)
    marked = [f"{command} (opaque)" if command.kind == "opaque" else str(command) for command in line.commands]
    return [*marked, "?"] if line.unclear else marked


def runs(text: str) -> list[str]:
    """The same without what only wraps others."""
    line = parse(text)
    said = [str(command) for command in line.commands if command.kind != "wrapper"]
    return [*said, "?"] if line.unclear else said


def is_sure(text: str) -> bool:
    line = parse(text)
    return not line.unclear and all(command.kind != "opaque" for command in line.commands)
