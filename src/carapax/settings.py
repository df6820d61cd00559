"""The configuration in force, and how it becomes another one while the gateway runs: by the file, or by a call."""

import asyncio
import logging
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import cache, partial
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from carapax import configcheck
from carapax.config import RESTART, Config
from carapax.configdoc import keys, table_at
from carapax.configedit import Changes, locked, with_changes, write
from carapax.configfile import NO_FILE, Look, Misfit, Route, Source, Unusable, dotted, looks_secret, parse, read
from carapax.errors import CarapaxError, ConfigError, Conflict, InvalidRequest
from carapax.home import Home
from carapax.redaction import Secret
from carapax.store.audit import LOCAL, Actor, Audit, newest
from carapax.uninterrupted import uninterrupted

log = logging.getLogger(__name__)

LOOK_S = 0.4
"""How often the file is looked at."""
SETTLE_S = 0.1
"""How long it must stay the same: an editor may be in the middle of writing it."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
"""How soon what could not be had is tried again, and how much later at most."""
_KIND = "config.changed"
_REMEMBERED = 1_000
_MOST_TOLD = 100
_LONGEST_TOLD = 200

By = Literal["call", "file"]
Switch = Callable[[], None]
T = TypeVar("T", bound=Struct)


class Part(Protocol):
    """What is opened from the configuration, and opened anew when that changes."""

    async def reopen(self, config: Config, undo: AsyncExitStack) -> Switch:
        """Make ready what another configuration says. What the result is called for puts it in force, and cannot fail;
        when it is not called, what was pushed on `undo` is. Raises a CarapaxError for what cannot be had."""
        ...


class Told:
    """A part that only has to be told."""

    def __init__(self, tell: Callable[[Config], None]) -> None:
        self._tell = tell

    async def reopen(self, config: Config, undo: AsyncExitStack) -> Switch:
        return partial(self._tell, config)


class Problem(Struct, frozen=True):
    """Why what the file says is not in force.

    message: what is wrong, with its place
    line: the line of the file; 0 for none
    """

    message: str
    line: int


class Change(Struct, frozen=True):
    """Who changed a key last.

    path: the key, as it is written in TOML
    at: when, in seconds since 1970
    who: the id of a token; "local" for this machine
    name: its name
    by: "call" for the API, "file" for an edit of the file
    """

    path: str
    at: float
    who: str
    name: str
    by: By


class Settings:
    """`current` is what is in force now: whoever needs a part of it reads it there, each time.

    `source` is what the file said when that was made from it. Without an `audit` nobody is told who changed what.
    """

    def __init__(self, current: Config, home: Home, source: Source | None = None, audit: Audit | None = None) -> None:
        self.current = current
        self.home = home
        self.source = source or _there(home)
        self.problem: Problem | None = None
        self._filed = self._started = _parsed(self.source) or current
        self._audit = audit
        self._failed = ""
        self._parts: list[tuple[Part, Callable[[], bool] | None]] = []
        self._changing = asyncio.Lock()

    def given(self) -> dict[str, Any]:
        """What the file says, as it was last put in force: only what is set there."""
        return tomllib.loads(self.source.text)

    def follow(self, part: Part, lacks: Callable[[], bool] | None = None) -> None:
        """Have a part opened anew at every change, after those that follow already, and now and then while it `lacks`
        what could not be had."""
        self._parts.append((part, lacks))

    @property
    def restart(self) -> tuple[str, ...]:
        """The keys whose value in the file is in force only after a restart."""
        return tuple(
            dotted(path) for path in kept_until_restart() if _of(self._filed, path) != _of(self._started, path)
        )

    async def change(self, changes: Changes, *, who: Actor = LOCAL, seen: str = "", force: bool = False) -> None:
        """Set values in carapax.toml, take away what is None, and have it in force.

        `seen` is the digest of the file that the caller knows. With `force` only the types must fit, so that the next
        start may refuse it. Raises InvalidRequest whose `fields` say what does not fit, Conflict when the file says
        something else than was seen or cannot be changed so, StoreError when it cannot be written, and what parts
        raise that cannot be opened so; then everything is as it was.
        """
        await uninterrupted(self._change(changes, who, seen, force=force))

    async def reload(self) -> None:
        """Have in force what the file says now. Raises ConfigError for one that cannot be used, and what parts raise
        that cannot be opened so; then everything is as it was."""
        await uninterrupted(self._reload())

    async def watch(self) -> None:
        """Have in force what the file says, soon after it changes, until cancelled. One that cannot be used is logged,
        and is the `problem`; what was in force stays."""
        handled = self.source.digest
        while True:
            await asyncio.sleep(LOOK_S)
            known, _ = await self._look()
            while known != handled:
                await asyncio.sleep(SETTLE_S)
                settled, _ = await self._look()
                if settled == known:
                    await uninterrupted(self._take_settled(settled))
                    handled = settled
                known = settled

    async def mend(self) -> None:
        """Try again what could not be had, what the file says and what parts lack, until cancelled: each for itself,
        first soon, then less and less often, for a try may close for a moment what is open."""
        async with asyncio.TaskGroup() as tries:
            tries.create_task(_again(lambda: self._failed, self._take_failed))
            for part, lacks in self._parts:
                if lacks is not None:
                    tries.create_task(_again(lacks, partial(self._complete, part)))

    async def _take_failed(self) -> None:
        await uninterrupted(self._take_settled(self._failed))

    async def _complete(self, part: Part) -> None:
        """Nobody waits for what may take long to fail: after a change meanwhile, what was made ready is given up."""
        if self._changing.locked():
            return
        tried = self.current
        async with AsyncExitStack() as undo:
            try:
                async with asyncio.timeout(LONGEST_WAIT_S):
                    switch = await part.reopen(tried, undo)
            except (CarapaxError, TimeoutError) as error:
                log.debug("still not there: %s", error)
                return
            async with self._changing:
                if self.current is tried:
                    switch()
                    undo.pop_all()

    async def changes(self) -> list[Change]:
        """Who changed which key last. Raises a StoreError."""
        if self._audit is None:
            return []
        found: dict[str, Change] = {}
        for each in await newest(self._audit.database, kind=_KIND, limit=_REMEMBERED):
            entry = each.entry
            by: By = "call" if entry.detail.get("by") == "call" else "file"
            for path in str(entry.detail.get("paths", "")).split("\n"):
                found.setdefault(path, Change(path, entry.at, entry.who, entry.name, by))
        return list(found.values())

    async def note_start(self) -> None:
        """Record that the file is another one than at the last change that is known."""
        if self._audit is not None:
            known = await newest(self._audit.database, kind=_KIND, limit=1)
            if self.source.digest != (known[0].entry.detail.get("digest") if known else NO_FILE):
                await self._audit.note("config.changed", LOCAL, detail={"digest": self.source.digest, "by": "file"})

    async def _look(self) -> tuple[str, Source | ConfigError]:
        """What the file says, or why nobody knows, and what tells it from another state."""
        try:
            source = await asyncio.to_thread(read, self.home)
        except ConfigError as error:
            return str(error), error
        return source.digest, source

    async def _reload(self) -> None:
        async with self._changing:
            await self._take((await self._look())[1])

    async def _take_settled(self, state: str) -> None:
        """Have in force what the file says, if it is still in this state."""
        async with self._changing:
            before = self.problem
            now, found = await self._look()
            try:
                if now == state:
                    await self._take(found)
            except CarapaxError as error:
                if self.problem != before:
                    log.error("carapax.toml is not in force, what was before still is: %s", error)

    async def _take(self, found: Source | ConfigError) -> None:
        """Have in force what the file says."""
        try:
            if isinstance(found, ConfigError):
                raise found
            if found.digest != self.source.digest:
                self._check_there(found)
                await self._put(await self._checked(found.text), LOCAL, "file", found)
            self.problem, self._failed = None, ""
        except CarapaxError as error:
            misfits = error.misfits if isinstance(error, Unusable) else []
            self.problem = Problem(str(error), next((misfit.line for misfit in misfits), 0))
            self._failed = found.digest if isinstance(found, Source) else ""
            raise

    async def _checked(self, text: str, look: Look | None = configcheck.look) -> Config:
        return await asyncio.to_thread(parse, text, str(self.home.config_file), look)

    def _check_there(self, source: Source) -> None:
        """Raises ConfigError for a file that is gone or empty, as it is when a disk is full: nobody means that."""
        if source.digest == NO_FILE or (self.source.text.strip() and not source.text.strip()):
            how = "is not there any more" if source.digest == NO_FILE else "is empty"
            raise ConfigError(f"{self.home.config_file} {how}", "put it back; config.get tells what is in force")

    async def _change(self, changes: Changes, who: Actor, seen: str, *, force: bool) -> None:
        async with self._changing:
            try:
                await self._take((await self._look())[1])
            except CarapaxError as error:
                raise Conflict(f"carapax.toml cannot be used as it is: {error}", "put that right first") from error
            if seen and seen != self.source.digest:
                raise Conflict("carapax.toml was changed meanwhile", "look at it again")
            refuse_secrets(changes)
            text = await asyncio.to_thread(with_changes, self.source.text, changes)
            if text == self.source.text:
                return
            try:
                filed = await self._checked(text, None if force else configcheck.look)
            except Unusable as error:
                raise refused(error.misfits) from error
            await self._put(filed, who, "call", text)

    async def _put(self, filed: Config, who: Actor, by: By, said: Source | str) -> None:
        """Put a configuration in force, which the file says, or is to say, in these words."""
        before, wanted = self.source, self._kept(filed)
        async with AsyncExitStack() as undo:
            unchanged = wanted == self.current
            switches = [await part.reopen(wanted, undo) for part, _ in self._parts if not unchanged]
            source = await asyncio.to_thread(self._written, said) if isinstance(said, str) else said
            self.source, self._filed, self.current = source, filed, wanted
            self.problem, self._failed = None, ""
            for switch in switches:
                switch()
            undo.pop_all()
        paths = list(map(dotted, differences(tomllib.loads(before.text), tomllib.loads(source.text))))
        log.info("the configuration was changed (%s): %s", by, ", ".join(paths) or "nothing that counts")
        if self.restart:
            log.warning("in force only after a restart: %s", ", ".join(self.restart))
        if self._audit is not None:
            told = "\n".join(path[:_LONGEST_TOLD] for path in paths[:_MOST_TOLD])
            await self._audit.note("config.changed", who, detail={"digest": source.digest, "by": by, "paths": told})

    def _written(self, text: str) -> Source:
        with locked(self.home):
            write(self.home, text, self.source.digest)
            return read(self.home)

    def _kept(self, filed: Config) -> Config:
        """With what cannot change while the gateway runs as it is."""
        for path in kept_until_restart():
            filed = _with(filed, path, _of(self.current, path))
        return filed


async def _again(lacks: Callable[[], object], attempt: Callable[[], Awaitable[None]]) -> None:
    """Try while something is lacking; what it is tells it from something else, which is tried soon."""
    loop, known, wait, due = asyncio.get_running_loop(), lacks(), FIRST_WAIT_S, 0.0
    while True:
        await asyncio.sleep(FIRST_WAIT_S)
        if (lacking := lacks()) != known:
            known, wait, due = lacking, FIRST_WAIT_S, 0.0
        if lacking and loop.time() >= due:
            wait = min(LONGEST_WAIT_S, wait * 2)
            await attempt()
            due = loop.time() + wait


@cache
def kept_until_restart() -> tuple[Route, ...]:
    """The keys that a running gateway keeps as they were at its start."""
    tables = ((path, table_at(path)) for path in RESTART)
    return tuple(
        each for path, table in tables for each in ([(*path, key.name) for key in keys(table)] if table else [path])
    )


def refuse_secrets(changes: Changes) -> None:
    """Raises InvalidRequest for values that belong into the vault."""
    fields = {dotted(path): remedy for at, value in changes.items() for path, remedy in _secrets(at, value)}
    if fields:
        place, remedy = next(iter(fields.items()))
        raise InvalidRequest(f"{place}: a secret does not belong into carapax.toml", remedy, fields=fields)


def refused(misfits: Iterable[Misfit]) -> InvalidRequest:
    """What tells of each setting that does not fit."""
    fields = {dotted(misfit.path): misfit.problem for misfit in misfits}
    said = "; ".join(f"{path}: {problem}" for path, problem in fields.items())
    return InvalidRequest(f"not changed, for it would not fit: {said}", fields=fields)


def differences(one: Mapping[str, Any], other: Mapping[str, Any], at: Route = ()) -> Iterator[Route]:
    """The keys whose values differ between two tables, or that only one of them has."""
    for name in dict.fromkeys([*one, *other]):
        here, there = one.get(name), other.get(name)
        if isinstance(here, dict) and isinstance(there, dict):
            yield from differences(here, there, (*at, name))
        elif isinstance(here or there, dict) and (here or there) and (here is None or there is None):
            yield from differences(here or {}, there or {}, (*at, name))
        elif here != there:
            yield (*at, name)


def _secrets(path: Route, value: object) -> Iterator[tuple[Route, str]]:
    """Where secrets are, and what to do with each."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets((*path, name), item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(path, item)
    elif isinstance(value, str) and value:
        table = table_at(path[:-1])
        if table and any(key.name == path[-1] and key.type is Secret for key in keys(table)):
            yield path, f"`carapax models add {path[-2]}` keeps it in the vault"
        elif looks_secret(path[-1], value):
            yield path, "`carapax secrets set NAME` keeps it in the vault; write its name here where one is taken"


def _there(home: Home) -> Source:
    try:
        return read(home)
    except ConfigError:
        return Source("", NO_FILE)


def _parsed(source: Source) -> Config | None:
    try:
        return parse(source.text)
    except ConfigError:
        return None


def _of(config: Struct, path: Route) -> object:
    value: object = config
    for name in path:
        value = getattr(value, name)
    return value


def _with(config: T, path: Route, value: object) -> T:
    """A configuration, or a table of it, with another value of a key."""
    name, *rest = path
    return replace(config, **{name: _with(getattr(config, name), tuple(rest), value) if rest else value})
