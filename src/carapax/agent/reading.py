"""What a session has read, and from whom: what policy knows of it, folded from its journal."""

import itertools
import re
from collections import deque
from collections.abc import Iterator

import msgspec

from carapax.events import MessageReceived, SessionStarted, ToolReturned
from carapax.messages import IMPORTED, Origin

MOST_CHARACTERS = 400_000
MOST_THINGS = 10_000
DEEPEST = 5
_IDS = frozenset({"id", "id_", "_id", "uid", "uuid"})
_NAMES = frozenset({"title", "name", "filename", "subject", "summary"})
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
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
        self._origins: dict[Origin, int] = {}
        """Each with the place of the event in which it was read last."""
        self.overheard = False
        """Whether strangers take part, who hear what the agent says."""
        self.asker = ""
        """Who said something last."""
        self.heard = 0
        """How many messages it took."""
        self.owners_only = True
        """Whether nobody but owners has said something."""
        self.vouching = Texts()
        self.own = Texts()
        self.outside = Texts()
        self.found = Texts()
        """What searches found in which nobody else had a hand."""
        self.followed = 0
        """How many pages and searches were read since somebody said something who may give orders."""
        self.things: dict[str, dict[str, None]] = {}
        """How things are called, by their id, in lists that tools gave as JSON."""

    @property
    def origins(self) -> tuple[Origin, ...]:
        """From whom else something was read, the first first."""
        return tuple(self._origins)

    def begin(self, started: SessionStarted, seq: int) -> None:
        """Take what a session began with."""
        self._origins |= dict.fromkeys(started.origins, seq)

    def hear(self, message: MessageReceived, seq: int) -> None:
        """Take a message that a run has taken, in the event `seq`. Who sends a file has seldom written it."""
        self.asker = message.sender.id
        self.heard += 1
        self.owners_only = self.owners_only and message.sender.trust == "owner"
        if message.sender.trust in _TRUSTED:
            self.vouching.add(message.text)
            self.followed = 0
        else:
            self.overheard = self.overheard or message.channel != IMPORTED
            self._origins[Origin("stranger", message.sender.id)] = seq
            self.outside.add(message.text)
        for file in message.attachments:
            self._origins[Origin("file", file.name)] = seq

    def take(self, returned: ToolReturned, shown: str, arguments: str, seq: int) -> None:
        """Take the result of a call with these arguments, in JSON, of which the model is `shown` so much. Of the
        owner's data does not count what only repeats the arguments: those may be anybody's words."""
        if returned.found and not returned.result.is_error:
            self.found.add(shown)
        for origin in returned.origins:
            if origin.trusted:
                if not returned.result.is_error:
                    self.own.add(_without(shown, arguments))
            else:
                self._origins[origin] = seq
                self.followed += origin.kind == "web"
                if origin.kind in ("web", "stranger"):
                    self.outside.add(shown)
            if origin.kind != "file" and origin.name == returned.result.name and shown.startswith(("[", "{")):
                self._list(shown)

    def _list(self, text: str) -> None:
        """Take the things of a list by their id. What came from an address lists nothing: anybody could call it so."""
        try:
            listed = _things(msgspec.json.decode(text), 0)
            for name, called in itertools.islice(listed, MOST_THINGS - len(self.things)):
                self.things.setdefault(name, {})[called] = None
        except msgspec.DecodeError:
            return

    def vouch(self, upto: int) -> None:
        """What was read by then is trusted from now on, but for what was read again later."""
        self._origins = {origin: seq for origin, seq in self._origins.items() if seq > upto}


def _things(value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Ids, and what bears them is called. An address, a path or a command is no id: what it leads to is not what
    somebody calls it."""
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for inner in value:
            yield from _things(inner, depth + 1)
    if isinstance(value, dict):
        ids = [name for field in value.keys() & _IDS if _ID.fullmatch(name := str(value[field]))]
        yield from ((name, called) for name in ids for called in _names(value))
        for inner in value.values():
            yield from _things(inner, depth + 1)


def _names(thing: dict[str, object]) -> list[str]:
    return [called for field in thing.keys() & _NAMES if isinstance(called := thing[field], str) and called]


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
