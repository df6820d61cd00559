"""A `.env` file: one `NAME=value` a line, as shells and the libraries that read such files understand it."""

import re

from carapax.errors import InvalidRequest
from carapax.redaction import Secret

_GAP = re.compile(r"(?:\s|#[^\n]*(?:\n|\Z))*")
_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*")
_VALUE = re.compile(
    r"""'(?P<plain>[^']*)'|"(?P<escaped>(?:[^"\\]|\\.)*)"|(?P<bare>(?!['"])(?:(?![ \t]#)[^\n])*)""", re.DOTALL
)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r", "t": "\t"}


def read(text: str) -> dict[str, Secret]:
    """The variables in the order of the file, of which the last of a name counts. Values are taken as they are:
    variables in them stand for themselves.

    Raises InvalidRequest, which names the line and shows nothing of it.
    """
    found: dict[str, Secret] = {}
    at = 0
    while (at := _after(_GAP, text, at)) < len(text):
        name = _NAME.match(text, at)
        value = name and _VALUE.match(text, name.end())
        rest = value and _REST.match(text, value.end())
        if not (name and value and rest):
            raise InvalidRequest(
                f"line {text.count(chr(10), 0, at) + 1} is no NAME=value", "correct it; nothing was imported"
            )
        found.pop(name[1], None)
        found[name[1]] = Secret(_meant(value))
        at = rest.end()
    return found


def _meant(value: re.Match[str]) -> str:
    if (escaped := value["escaped"]) is not None:
        return _ESCAPE.sub(lambda match: _MEANT.get(match[1], match[1]), escaped)
    return value["plain"] if value["plain"] is not None else value["bare"].strip()


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
