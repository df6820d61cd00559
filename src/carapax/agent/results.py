"""What a model is shown of a tool's result, and what the journal keeps of it."""

import re

from carapax.invisible import strip, visible

KEPT_CHARACTERS = 1_000_000
SHOWN_CHARACTERS = 50_000
_SHORT = 120
_DATA_URL = r"(?:data:[\w.+-]{1,40}/[\w.+-]{1,40};base64,)?"
# Each kind is looked for where a run of its characters begins, so that a run that is too short is read once only.
_BASE64 = r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{200,}={0,2}"
_HEX = r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){64,}"
_NOISE = re.compile(f"{_DATA_URL}(?:{_BASE64}|{_HEX})")


def keep(text: str) -> str:
    """The text as the journal keeps it: whole up to 1 MB, told where it was cut."""
    return _cut(valid(text), KEPT_CHARACTERS)


def valid(text: str) -> str:
    """The text with a question mark for each half of a character (a lone surrogate), which cannot be kept or sent."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def show(text: str) -> str:
    """The text as a model sees it: without what nobody sees, base64 of 200 and hex of 128 characters or more, cut to
    50 KB."""
    shown = visible(text)
    if len(shown) <= _SHORT:
        return shown
    plain = strip(text)
    notes = shown.removeprefix(plain)
    return _cut(_NOISE.sub(_leave_out, plain), SHOWN_CHARACTERS) + notes


def _leave_out(match: re.Match[str]) -> str:
    run = match.group()
    if len(set(run[:200])) < 8:
        return run
    return f"[{len(run)} characters of encoded data left out]"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit and (len(text) * 4 <= limit or len(text.encode("utf-8", "replace")) <= limit):
        return text
    whole = text.encode("utf-8", "replace")
    head = whole[: limit - 100].decode("utf-8", "ignore")
    return f"{head}\n[cut here: {len(whole) - len(head.encode())} of {len(whole)} bytes left out]"
