"""The door: what may enter a session at all."""

import re
from collections.abc import Callable

from msgspec.structs import replace

from carapax.config import Config, DoorConfig
from carapax.contracts import Submit
from carapax.errors import Forbidden, InvalidRequest
from carapax.messages import Attachment, Inbound, Receipt, Trust
from carapax.throttle import Rate

LONGEST_NAME = 256
MOST_ATTACHMENTS = 10
_DIGEST = re.compile("[0-9a-f]{64}")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Door:
    """What may enter, as whose, and how often, as the configuration says now. `find` names the patterns of orders to
    agents that a text has; `now` gives seconds."""

    def __init__(
        self,
        config: Callable[[], Config],
        find: Callable[[str], tuple[str, ...]],
        now: Callable[[], float],
    ) -> None:
        self._config = config
        self._people = Rate(lambda: config().limits.person_messages_per_minute)
        self._now = now
        self._find = find

    def of(self, channel: str, submit: Submit) -> Submit:
        """What a channel submits its messages with: they are said there and nowhere else, and who is trusted is read
        from the configuration."""

        async def submit_as(inbound: Inbound) -> Receipt:
            config = self._config()
            rules = config.door.get(channel, DoorConfig())
            sender = replace(inbound.sender, trust=_trust(rules, inbound.sender.id))
            return await submit(replace(inbound, channel=channel, sender=sender))

        return submit_as

    def check(self, inbound: Inbound) -> tuple[str, ...]:
        """The patterns of orders to agents that a message is to be flagged with.

        Raises InvalidRequest, naming the field and what is wrong, for a message that cannot be taken as it is, and
        Forbidden for one that is rejected for what it looks like, RateLimited for one too many of its sender. Owners
        give orders: theirs are neither looked at nor counted.
        """
        config = self._config()
        check_inbound(inbound, config.limits.message_bytes)
        if inbound.sender.trust != "owner":
            self._people.take(f"{inbound.channel}\n{inbound.sender.id}", self._now(), "messages of this person")
        rules = config.door.get(inbound.channel, DoorConfig())
        if rules.injection == "off" or inbound.sender.trust == "owner":
            return ()
        marks = self._find(inbound.text)
        if marks and rules.injection == "reject":
            raise Forbidden(
                f"the message looks like orders to the agent: {', '.join(marks)}",
                "say it in other words, or ask the owner",
            )
        return marks


def _trust(rules: DoorConfig, sender: str) -> Trust:
    if sender in rules.owners:
        return "owner"
    return "known" if sender in rules.known else "stranger"


def check_inbound(inbound: Inbound, max_bytes: int) -> None:
    """Raise InvalidRequest, naming the field and what is wrong, for a message that cannot be taken as it is."""
    if not inbound.text.strip() and not inbound.attachments:
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
    if len(inbound.attachments) > MOST_ATTACHMENTS:
        raise InvalidRequest(
            f"{len(inbound.attachments)} attachments are more than {MOST_ATTACHMENTS}", "send them in several messages"
        )
    for number, attachment in enumerate(inbound.attachments):
        _check_attachment(f"attachments[{number}]", attachment)


def _check_attachment(field: str, attachment: Attachment) -> None:
    check_name(f"{field}.name", attachment.name)
    if "\n" in attachment.name or "\r" in attachment.name:
        raise InvalidRequest(f"{field}.name has several lines", "send its name alone")
    if not _DIGEST.fullmatch(attachment.digest):
        raise InvalidRequest(f"{field}.digest is no SHA-256 in hex", "send the digest that the file was answered with")


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
