"""What a home has on an engine: containers, volumes and images, found by their labels."""

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from carapax.containers.engine import Engine, filters
from carapax.errors import Conflict, NotFound, Unavailable

HOME, AGENT, GATEWAY = "carapax.home", "carapax.agent", "carapax.gateway"
_THIS_GATEWAY = secrets.token_hex(8)
_ID_FILE = ".containers"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,40}")


class Owner(Struct, frozen=True):
    """Whose a container is: the home's identity, which is kept in a file of it, and the agent."""

    home: str
    agent: str

    @classmethod
    def of(cls, workspace: Path) -> "Owner":
        """Whoever has this workspace. Raises Unavailable when the home's identity cannot be kept."""
        return cls(home_id(workspace.parent), workspace.name)

    @property
    def labels(self) -> dict[str, str]:
        return {HOME: self.home, AGENT: self.agent, GATEWAY: _THIS_GATEWAY}

    @property
    def volume(self) -> str:
        """The name of its volume."""
        plain = self.agent
        if not _PLAIN.fullmatch(plain):
            plain = hashlib.sha256(plain.encode()).hexdigest()[:16]
        return f"carapax-{self.home}-{plain}"


def home_id(folder: Path) -> str:
    """The identity of the home that has this folder of workspaces, made at first use.

    It is no path: two gateways in containers have the same paths, and a home may be moved.
    """
    file = folder / _ID_FILE
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
    labels = {name: value for name, value in owner.labels.items() if name != GATEWAY}
    await engine.call("POST", "/volumes/create", body={"Name": owner.volume, "Labels": labels})
    return owner.volume


async def sweep(engine: Engine, owner: Owner) -> None:
    """Remove the containers that earlier gateways of this home left behind."""
    for container in await _containers(engine, {HOME: owner.home}):
        if container.Labels.get(GATEWAY) != _THIS_GATEWAY:
            await _removed(engine, container.Id)


async def leave(engine: Engine, owner: Owner) -> None:
    """Wait until no container of this gateway's agent is left."""
    for container in await _containers(engine, owner.labels):
        await _removed(engine, container.Id)


async def _containers(engine: Engine, labels: Mapping[str, str]) -> "list[_Listed]":
    return await engine.ask("GET", "/containers/json", query={"all": "1", **filters(labels)}, kind=list[_Listed])


async def _removed(engine: Engine, container: str) -> None:
    with contextlib.suppress(NotFound):
        with contextlib.suppress(Conflict):  # it is being removed already
            await engine.call("DELETE", f"/containers/{container}", query={"force": "1", "v": "1"})
        await engine.call("POST", f"/containers/{container}/wait", query={"condition": "removed"})


class _Info(Struct):
    MemoryLimit: bool = True
    PidsLimit: bool = True
    CpuCfsQuota: bool = True


class _Listed(Struct):
    Id: str
    Labels: dict[str, str] = {}
