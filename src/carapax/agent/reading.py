"""What a session has read, and from whom: what policy knows of it, folded from its journal."""

from collections import deque

from carapax.events import MessageReceived, ToolReturned
from carapax.messages import Origin

MOST_CHARACTERS = 400_000
_TRUSTED = ("owner", "known")


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
    """`vouching` is what those said who may give orders, and the owner's own data; `outside` what others wrote."""

    def __init__(self) -> None:
        self._origins: dict[Origin, None] = {}
        self.overheard = False
        """Whether strangers take part, who hear what the agent says."""
        self.vouching = Texts()
        self.outside = Texts()

    @property
    def origins(self) -> tuple[Origin, ...]:
        """From whom else something was read, the first first."""
        return tuple(self._origins)

    def hear(self, message: MessageReceived) -> None:
        """Take a message that a run has taken. Who sends a file has seldom written it."""
        if message.sender.trust in _TRUSTED:
            self.vouching.add(message.text)
        else:
            self.overheard = True
            self._origins[Origin("stranger", message.sender.id)] = None
            self.outside.add(message.text)
        for file in message.attachments:
            self._origins[Origin("file", file.name)] = None

    def take(self, returned: ToolReturned, shown: str) -> None:
        """Take a result, of which the model is `shown` so much."""
        for origin in returned.origins:
            if origin.trusted:
                self.vouching.add(shown)
            else:
                self._origins[origin] = None
                if origin.kind in ("web", "stranger"):
                    self.outside.add(shown)
