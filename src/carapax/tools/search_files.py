"""Searches the files of the workspace, with grep in the sandbox: whatever the pattern, it is bounded there."""

from typing import Annotated

from msgspec import Meta, Struct

from carapax.contracts import ToolContext
from carapax.errors import InvalidRequest, Unavailable
from carapax.invisible import strip
from carapax.tool import tool


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """How long and how much is searched.

    timeout_s: longest search
    file_bytes: longest file that is searched by its own name; in a folder any is
    max_lines: most lines of one answer
    line_length: longest line of one answer, in characters
    """

    timeout_s: Annotated[float, Meta(gt=0)] = 20
    file_bytes: Annotated[int, Meta(gt=0)] = 64 << 20
    max_lines: Annotated[int, Meta(gt=0)] = 200
    line_length: Annotated[int, Meta(gt=0)] = 300


@tool(effects=("read",), rerun="pure", authority=("path",), source="workspace")
async def search_files(
    context: ToolContext, pattern: Annotated[str, Meta(min_length=1)], path: str = ".", regex: bool = False
) -> str:
    """Find lines in text files: file:line:text.

    Args:
        pattern: literal text
        path: file or folder
        regex: the pattern is an extended regular expression
    """
    config = context.settings(Config)
    if "\0" in pattern or "\n" in pattern:
        raise InvalidRequest("the pattern must be one line of text")
    try:
        await context.sandbox.list_files(path, recursive=False, max_entries=1)
    except InvalidRequest:  # no folder; if it is no file of the workspace either, reading says so
        await context.sandbox.read_file(path, config.file_bytes)
    most = config.max_lines * config.line_length
    mode = "-E" if regex else "-F"
    grep = ["grep", "-rnIH", mode, "--exclude-dir=.git", "-e", pattern, "--", path.removeprefix("./") or "."]
    execution = await context.sandbox.exec(grep, timeout_s=config.timeout_s, max_output=2 * most)
    if execution.killed == "time":
        raise Unavailable(f"the search took longer than {config.timeout_s:g} s", "search a smaller folder")
    said = execution.output.splitlines()
    if not execution.killed and execution.exit_code not in (0, 1, 2):
        raise Unavailable(f"grep did not run: {execution.output.strip()[:200]}", "search with shell")
    if execution.exit_code == 2 and all(line.startswith("grep: ") for line in said):
        raise InvalidRequest(execution.output.strip()[:500] or "grep failed", "check the pattern and the path")
    lines = [_cut(strip(line.removeprefix("./")), config.line_length) for line in said]
    if execution.truncated or execution.killed or len(lines) > config.max_lines:
        lines = [*lines[: config.max_lines], f"[only the first {min(len(lines), config.max_lines)} lines are shown]"]
    return "\n".join(lines) or "[nothing found]"


def _cut(line: str, length: int) -> str:
    return line if len(line) <= length else line[:length] + "..."


EXTENSION = search_files
