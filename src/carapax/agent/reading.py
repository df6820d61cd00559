"""What a session has read, and from whom: what policy knows of it, folded from its journal."""

import re
from collections import deque

import msgspec

from carapax.events import MessageReceived, ToolReturned
from carapax.messages import Origin

MOST_CHARACTERS = 400_000
_TRUSTED = ("owner", "known")
_WORDS = re.compile(r"[^\s\"'\\(){}\[\]<>,;:]+")


class Texts:
    """The last texts, of so many characters together; a single longer one is kept."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()
        self._size = 0

    def add(self, text: str) -> None:
        self._texts.append(text)
        self._size += len(text)
        while self._size > MOST_CHARACTERS and len(self._texts) > 1:
            self._size -= len(self._texts.popleft())

    def all(self) -> tuple[str, ...]:
        return tuple(self._texts)


class Reading:
    """`vouching` is what those said who may give orders, `own` the owner's own data, `outside` what others wrote."""

    def __init__(self) -> None:
        self._origins: dict[Origin, None] = {}
        self.overheard = False
        """Whether strangers take part, who hear what the agent says."""
        self.asker = ""
        """Who said something last."""
        self.vouching = Texts()
        self.own = Texts()
        self.outside = Texts()

    @property
    def origins(self) -> tuple[Origin, ...]:
        """From whom else something was read, the first first."""
        return tuple(self._origins)

    def hear(self, message: MessageReceived) -> None:
        """Take a message that a run has taken. Who sends a file has seldom written it."""
        self.asker = message.sender.id
        if message.sender.trust in _TRUSTED:
            self.vouching.add(message.text)
        else:
            self.overheard = True
            self._origins[Origin("stranger", message.sender.id)] = None
            self.outside.add(message.text)
        for file in message.attachments:
            self._origins[Origin("file", file.name)] = None

    def take(self, returned: ToolReturned, shown: str, arguments: str) -> None:
        """Take the result of a call with these arguments, in JSON, of which the model is `shown` so much. Of the
        owner's data does not count what only repeats the arguments: those may be anybody's words."""
        for origin in returned.origins:
            if origin.trusted:
                if not returned.result.is_error:
                    self.own.add(_without(shown, arguments))
            else:
                self._origins[origin] = None
                if origin.kind in ("web", "stranger"):
                    self.outside.add(shown)


def _without(text: str, arguments: str) -> str:
    """The text without the words that stand in the arguments."""
    try:
        said = {_bare(word) for word in _WORDS.findall(_text(msgspec.json.decode(arguments)))}
    except msgspec.DecodeError:
        said = set()
    return _WORDS.sub(lambda word: "\ufffc" if _bare(word[0]) in said else word[0], text) if said else text


def _text(value: object) -> str:
    match value:
        case dict():
            return "\n".join(_text(inner) for inner in (*value, *value.values()))
        case list():
            return "\n".join(map(_text, value))
        case _:
            return str(value)


def _bare(word: str) -> str:
    return word.lower().strip(".!?")
