"""What a home has on an engine: containers, volumes and images, found by their labels."""

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from carapax.containers.engine import Engine, filters
from carapax.containers.identity import ID_FILE
from carapax.errors import Conflict, NotFound, Unavailable

HOME, AGENT, SESSION, GATEWAY = "carapax.home", "carapax.agent", "carapax.session", "carapax.gateway"
OPENED = "carapax.opened"
_THIS_GATEWAY = secrets.token_hex(8)
_COUNTING_S = 600.0
_COUNTING = "disk usage operation is already running"  # moby, daemon/disk_usage.go
_AGAIN_S = 0.1
_TRIES = 600
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}")


class Owner(Struct, frozen=True):
    """Whose a container is: the home's identity, which is kept in a file of it, the agent, and the session, where it is
    that of one. `opened` tells sandboxes of an agent apart that are open at the same time, as when one is replaced."""

    home: str
    agent: str
    session: str = ""
    opened: str = ""

    @classmethod
    def of(cls, workspace: Path) -> "Owner":
        """Whoever has this workspace. Raises Unavailable when the home's identity cannot be kept."""
        return cls(home_id(workspace.parent), workspace.name, opened=secrets.token_hex(4))

    @property
    def kept(self) -> dict[str, str]:
        """The labels of what outlives a gateway."""
        return {HOME: self.home, AGENT: self.agent, **({SESSION: self.session} if self.session else {})}

    @property
    def labels(self) -> dict[str, str]:
        """The labels of what does not."""
        return {**self.kept, GATEWAY: _THIS_GATEWAY, OPENED: self.opened}

    @property
    def volume(self) -> str:
        """The name of its volume."""
        agent = self.agent if _PLAIN.fullmatch(self.agent) else _short(self.agent)
        return f"carapax-{self.home}-{agent}" + (f".{_short(self.session)}" if self.session else "")


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def home_id(folder: Path) -> str:
    """The identity of the home that has this folder of workspaces, made at first use.

    It is no path: two gateways in containers have the same paths, and a home may be moved.
    """
    file = folder / ID_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w") as made:
                made.write(secrets.token_hex(6))
        known = file.read_text().strip()
    except OSError as error:
        raise Unavailable(f"the workspace cannot be made: {error}", "check the folder's owner and disk") from error
    if not re.fullmatch("[0-9a-f]{12}", known):
        raise Unavailable(f"{file} does not hold the identity of a home", "remove it, and its volumes are not found")
    return known


async def limits_hold(engine: Engine) -> None:
    """Raises Unavailable where the engine would start containers without their limits."""
    info = await engine.ask("GET", "/info", kind=_Info)
    lacking = [
        name
        for name, there in (("memory", info.MemoryLimit), ("processes", info.PidsLimit), ("cpu", info.CpuCfsQuota))
        if not there
    ]
    if lacking:
        raise Unavailable(
            f"the engine at {engine.path} cannot bound {', '.join(lacking)}",
            "a user's own engine needs control groups of version 2, delegated to the user by systemd",
        )


async def keep_volume(engine: Engine, owner: Owner) -> str:
    """The name of the owner's volume, which exists afterwards."""
    await engine.call("POST", "/volumes/create", body={"Name": owner.volume, "Labels": owner.kept})
    return owner.volume


async def _counted(engine: Engine, query: Mapping[str, str]) -> "_Usage":
    """What everything takes. Engines count for one who asks at a time and refuse all others, who ask again."""
    tries = 0
    while True:
        tries += 1
        try:
            return await engine.ask("GET", "/system/df", query=query, kind=_Usage, timeout_s=_COUNTING_S)
        except (Conflict, Unavailable) as error:
            if _COUNTING not in error.message or tries == _TRIES:
                raise
        await asyncio.sleep(_AGAIN_S)


async def volume_size(engine: Engine, name: str) -> int:
    """The bytes a volume holds; 0 where the engine does not know."""
    usage = await _counted(engine, {"type": "volume"})
    sizes = (volume.UsageData.Size for volume in usage.Volumes or [] if volume.Name == name and volume.UsageData)
    return max(0, *sizes, 0)


async def sweep(engine: Engine, owner: Owner) -> None:
    """Remove the containers that earlier gateways of this home left behind."""
    for container in await _containers(engine, {HOME: owner.home}):
        if container.Labels.get(GATEWAY) != _THIS_GATEWAY:
            await _removed(engine, container.Id)


async def leave(engine: Engine, owner: Owner) -> None:
    """Wait until no container of this gateway's agent is left."""
    for container in await _containers(engine, owner.labels):
        await _removed(engine, container.Id)


class Holding(Struct, frozen=True):
    """One thing that a home has on an engine. `size_bytes` is -1 where the engine does not know."""

    kind: Literal["container", "volume", "image"]
    name: str
    agent: str
    state: str
    size_bytes: int


async def holdings(engine: Engine, home: str) -> list[Holding]:
    """All that a home has, in order of their kinds, agents and names."""
    usage = await _counted(engine, {})
    found: list[Holding] = []
    for container in usage.Containers or []:
        if _of(container.Labels, home):
            name, agent = (container.Names or [""])[0].lstrip("/"), (container.Labels or {}).get(AGENT, "")
            found.append(Holding("container", name, agent, container.State, container.SizeRw))
    for volume in usage.Volumes or []:
        if _of(volume.Labels, home):
            used = volume.UsageData or _Used()
            state = "in use" if used.RefCount > 0 else "kept"
            found.append(Holding("volume", volume.Name, (volume.Labels or {}).get(AGENT, ""), state, used.Size))
    for image in usage.Images or []:
        if _of(image.Labels, home):
            state = "in use" if image.Containers > 0 else "kept"
            found.append(Holding("image", (image.RepoTags or [image.Id])[0], "", state, image.Size))
    return sorted(found, key=lambda one: (one.kind, one.agent, one.name))


async def leftovers(engine: Engine, home: str, needed: Container[str]) -> list[Holding]:
    """The home's containers that do not run, and its images but those needed."""
    return [
        held
        for held in await holdings(engine, home)
        if (held.kind == "container" and held.state != "running") or (held.kind == "image" and held.name not in needed)
    ]


async def clean(engine: Engine, home: str, needed: Container[str]) -> list[Holding]:
    """Remove what is left over; returns what is gone."""
    gone: list[Holding] = []
    for held in await leftovers(engine, home, needed):
        if held.kind == "container":
            await _removed(engine, held.name)
        else:
            try:
                await engine.call("DELETE", f"/images/{held.name}")
            except (Conflict, NotFound):  # another needs it
                continue
        gone.append(held)
    return gone


async def remove(engine: Engine, home: str, agent: str) -> list[Holding]:
    """Remove an agent's containers and its volumes with all they hold; returns what is gone.

    Raises NotFound when it has none, Conflict while a gateway uses them.
    """
    held = [one for one in await holdings(engine, home) if one.agent == agent and one.kind != "image"]
    if not held:
        raise NotFound(f"the agent {agent!r} has nothing on the engine", "carapax sandbox list shows what there is")
    if any(one.kind == "container" and one.state == "running" for one in held):
        raise Conflict(f"the containers of {agent!r} are running", "stop the gateway first")
    for one in held:
        if one.kind == "container":
            await _removed(engine, one.name)
    for one in held:
        if one.kind == "volume":
            await engine.call("DELETE", f"/volumes/{one.name}")
    return held


def _of(labels: Mapping[str, str] | None, home: str) -> bool:
    return (labels or {}).get(HOME) == home


async def _containers(engine: Engine, labels: Mapping[str, str]) -> "list[_Listed]":
    return await engine.ask("GET", "/containers/json", query={"all": "1", **filters(labels)}, kind=list[_Listed])


async def _removed(engine: Engine, container: str) -> None:
    with contextlib.suppress(NotFound):
        with contextlib.suppress(Conflict):  # it is being removed already
            await engine.call("DELETE", f"/containers/{container}", query={"force": "1", "v": "1"})
        await engine.call("POST", f"/containers/{container}/wait", query={"condition": "removed"})


class _Held(Struct):
    Labels: dict[str, str] | None = None


class _HeldContainer(_Held):
    Names: list[str] | None = None
    State: str = ""
    SizeRw: int = 0


class _Used(Struct):
    Size: int = -1
    RefCount: int = -1


class _HeldVolume(_Held):
    Name: str = ""
    UsageData: _Used | None = None


class _HeldImage(_Held):
    Id: str = ""
    RepoTags: list[str] | None = None
    Size: int = -1
    Containers: int = -1


class _Usage(Struct):
    Containers: list[_HeldContainer] | None = None
    Volumes: list[_HeldVolume] | None = None
    Images: list[_HeldImage] | None = None


class _Info(Struct):
    MemoryLimit: bool = True
    PidsLimit: bool = True
    CpuCfsQuota: bool = True


class _Listed(Struct):
    Id: str
    Labels: dict[str, str] = {}
