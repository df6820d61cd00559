"""How a container hands over a socket; what commands reach by it is in `tests/sandboxes/test_docker.py`."""

import os
import secrets
import socket
import stat
from pathlib import Path

import pytest

from carapax.containers.container import Allowance, Container, template
from carapax.containers.engine import Engine
from carapax.containers.wayout import WayOut
from carapax.egressproxy import Nowhere
from carapax.errors import Unavailable
from tests.engine import engine_socket
from tests.running import run


def reaching(folder: str) -> socket.socket:
    """Somebody who has come to the socket in a folder."""
    connected = socket.socket(socket.AF_UNIX)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        connected.connect(f"/proc/self/fd/{descriptor}/gateway")
    finally:
        os.close(descriptor)
    return connected


def test_the_folder_is_the_gateways_own_and_gone_afterwards_and_so_is_whoever_waits_there(tmp_path: Path) -> None:
    with WayOut(tmp_path / "agent", Nowhere()).passing() as passing:
        folder = Path(passing.folder)
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        waiting = reaching(passing.folder)
    with waiting, pytest.raises(BrokenPipeError):
        waiting.send(b".")
    assert [*folder.parent.iterdir()] == []


def test_an_engine_that_does_not_see_the_folder_is_told_with_the_remedy(tmp_path: Path) -> None:
    async def scene() -> None:
        async with await Engine.open(engine_socket()) as engine:
            configuration = template("no-image", "no-volume", {}, Allowance(), str(tmp_path / "nowhere"))
            await Container.start(engine, f"carapax-test-{secrets.token_hex(4)}", configuration)

    with pytest.raises(Unavailable, match="bind source path does not exist") as caught:
        run(scene())
    assert "on one machine" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / ".passing").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot be made"), WayOut(tmp_path / "agent", Nowhere()).passing():
        pass
