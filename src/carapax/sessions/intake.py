"""The door: what may enter a session at all."""

import re

from carapax.errors import InvalidRequest
from carapax.messages import Inbound

LONGEST_NAME = 256
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def check_inbound(inbound: Inbound, max_bytes: int) -> None:
    """Raise InvalidRequest, naming the field and what is wrong, for a message that cannot be taken as it is."""
    if not inbound.text.strip():
        raise InvalidRequest("text is empty", "say something")
    check_characters("text", inbound.text)
    size = len(inbound.text.encode())
    if size > max_bytes:
        raise InvalidRequest(f"text has {size} bytes, more than {max_bytes}", "shorten it, or put it into a file")
    names = {
        "channel": inbound.channel,
        "conversation": inbound.conversation,
        "sender.id": inbound.sender.id,
        "sender.name": inbound.sender.name,
        "reply_to": inbound.reply_to or "",
        "dedupe_key": inbound.dedupe_key or "",
    }
    for field, value in names.items():
        check_name(field, value)


def check_name(field: str, value: str) -> None:
    """Raise InvalidRequest for a name that is too long or has characters that do not show."""
    check_characters(field, value)
    if len(value) > LONGEST_NAME:
        raise InvalidRequest(f"{field} has {len(value)} characters, more than {LONGEST_NAME}", "shorten it")


def check_characters(field: str, value: str) -> None:
    """Raise InvalidRequest for control characters other than tab and line end, null bytes, and half characters."""
    found = _FORBIDDEN.search(value)
    if found:
        raise InvalidRequest(
            f"{field} has the control character U+{ord(found.group()):04X} at position {found.start()}", "take it out"
        )
