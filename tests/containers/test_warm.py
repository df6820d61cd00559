"""Warm containers over one volume; what they keep to as a sandbox is in `tests/sandboxes/test_docker.py`."""

import asyncio
import json
from pathlib import Path

from carapax.containers.engine import Engine, filters
from carapax.containers.records import HOME, home_id
from tests.engine import configured, engine_socket, sandbox
from tests.running import run


def test_commands_wait_when_there_are_as_many_containers_as_may_be(tmp_path: Path) -> None:
    async def scene() -> tuple[list[str], int]:
        async with sandbox(tmp_path / "workspace", configured(containers=2)) as opened:
            command = ["sh", "-c", "sleep 0.2; echo done"]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(opened.exec(command, timeout_s=20, max_output=100)) for _ in range(5)]
            async with await Engine.open(engine_socket()) as engine:
                query = {"all": "1", **filters({HOME: home_id(tmp_path)})}
                left = json.loads(await engine.call("GET", "/containers/json", query=query))
            return [task.result().output for task in tasks], len(left)

    assert run(scene()) == (["done\n"] * 5, 2)
