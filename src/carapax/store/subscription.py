"""What is told to those who watch a session while it happens."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, get_args

from carapax.errors import InvalidRequest, Lagged
from carapax.events import Envelope, Event, MessageReceived, Streamed

_STREAMED = get_args(Streamed)
_PAGE = 500
# Sessions whose last seq is remembered for streamed events; one that was forgotten has had no event for long.
_HEADS = 10_000
# Sessions of which the last message and what was kept with it is remembered, for whoever waits for its answer.
_ASKED = 64


class History(Protocol):
    """Where a subscription reads what happened before it began."""

    async def read(
        self, session: str, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> list[Envelope]: ...

    async def head(self, session: str) -> int:
        """The session's last seq. Raises NotFound."""
        ...


class Watchers:
    """The subscriptions that are open, by session; None is all sessions."""

    def __init__(self) -> None:
        self.observers: list[Callable[[Envelope], None]] = []
        self._of: dict[str | None, tuple[Subscription, ...]] = {}
        self._heads: dict[str, int] = {}
        self._asked: dict[str, list[Envelope]] = {}

    def add(self, session: str | None, subscription: "Subscription") -> None:
        self._of[session] = (*self._of.get(session, ()), subscription)

    def remove(self, session: str | None, subscription: "Subscription") -> None:
        rest = tuple(other for other in self._of.get(session, ()) if other is not subscription)
        if rest:
            self._of[session] = rest
        else:
            self._of.pop(session, None)

    def publish(self, session: str, envelopes: list[Envelope]) -> None:
        """Tell of kept events."""
        self._heads.pop(session, None)
        self._heads[session] = envelopes[-1].seq
        if len(self._heads) > _HEADS:
            del self._heads[next(iter(self._heads))]
        for envelope in envelopes:
            if type(envelope.event) is MessageReceived:
                self._remember(session, envelopes)
            for observer in self.observers:
                observer(envelope)
        for key in (session, None):
            for subscription in self._of.get(key, ()):
                for envelope in envelopes:
                    subscription.offer(envelope)

    def stream(self, session: str, at: float, run: str, event: Event) -> None:
        """Tell of a streamed event."""
        envelope = Envelope(self._heads.get(session, 0), session, at, event, run)
        for key in (session, None):
            for subscription in self._of.get(key, ()):
                subscription.offer(envelope)

    def head(self, session: str) -> int:
        """The seq of the last kept event that was told of; 0 when that was long ago or never."""
        return self._heads.get(session, 0)

    def _remember(self, session: str, envelopes: list[Envelope]) -> None:
        self._asked.pop(session, None)
        self._asked[session] = envelopes
        if len(self._asked) > _ASKED:
            del self._asked[next(iter(self._asked))]

    def since(self, session: str, after: int) -> list[Envelope]:
        """What came next, where it is remembered; else nothing."""
        asked = self._asked.get(session)
        if asked is None or after < asked[0].seq - 1:
            return []
        return [envelope for envelope in asked if envelope.seq > after]

    def any(self, session: str) -> bool:
        return session in self._of or None in self._of


class Subscription:
    """The events of one session, or of all, as they happen: an async context manager and an async iterator.

    With `after`, what was kept since comes first, then what happens from now on, with no gap and nothing twice. Ends
    with Lagged when more than `queue` events wait to be read.
    """

    def __init__(
        self, watchers: Watchers, history: History, session: str | None, after: int | None, queue: int
    ) -> None:
        self._watchers = watchers
        self._history = history
        self._session = session
        self._last = after
        self._past: deque[Envelope] = deque()
        self._head = 0
        self._live: deque[Envelope] = deque()
        self._limit = queue
        self._lagged = False
        self._waiter: asyncio.Future[None] | None = None

    async def __aenter__(self) -> "Subscription":
        self._watchers.add(self._session, self)
        try:
            await self._find_past()
        except BaseException:
            self._watchers.remove(self._session, self)
            raise
        return self

    async def _find_past(self) -> None:
        """How far history is read: all that is kept later is offered."""
        if self._session is None or self._last is None:
            return
        if self._watchers.since(self._session, self._last):
            self._head = self._watchers.head(self._session)
        else:
            self._head = await self._history.head(self._session)
        if not 0 <= self._last <= self._head:
            raise InvalidRequest(
                f"session {self._session} has events 1 to {self._head}: cannot go on after {self._last}"
            )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watchers.remove(self._session, self)

    def offer(self, envelope: Envelope) -> None:
        """Called by whoever publishes; never blocks."""
        if len(self._live) >= self._limit:
            self._lagged = True
            self._watchers.remove(self._session, self)
        else:
            self._live.append(envelope)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Envelope:
        while True:
            if not self._past and self._last is not None and self._last < self._head:
                await self._replay(self._last)
            if self._past:
                return self._past.popleft()
            if self._lagged:
                self._live.clear()
                raise Lagged(
                    "events came faster than they were read", "subscribe again after the last seq that was read"
                )
            if self._live:
                envelope = self._live.popleft()
                if self._is_new(envelope):
                    return envelope
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter

    async def _replay(self, after: int) -> None:
        """Read the next page of the past, once the one before is used up."""
        assert self._session is not None
        page = self._watchers.since(self._session, after)
        self._past.extend(page or await self._history.read(self._session, after, limit=_PAGE))
        self._last = self._past[-1].seq

    def _is_new(self, envelope: Envelope) -> bool:
        """Whether it was not replayed: a kept one by its seq, a streamed one by the kept one before it."""
        if self._last is None or envelope.seq > self._last:
            return True
        return envelope.seq == self._last and isinstance(envelope.event, _STREAMED)
