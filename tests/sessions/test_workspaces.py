import asyncio

import pytest

from carapax.sessions.workspaces import Workspaces
from tests.running import run


def test_several_change_files_at_once_and_one_alone_waits_for_them_and_keeps_later_ones_out() -> None:
    async def scenario() -> None:
        workspaces, seen = Workspaces(), list[str]()

        async def alone() -> None:
            async with workspaces.alone("main"):
                seen.append("alone")
                await asyncio.sleep(0)
                seen.append("done")

        async def later() -> None:
            async with workspaces.shared("main"):
                seen.append("later")

        async with asyncio.TaskGroup() as group, workspaces.shared("main"), workspaces.shared("main"):
            group.create_task(alone())
            await asyncio.sleep(0)
            group.create_task(later())
            async with workspaces.alone("other"):
                seen.append("shared")
        assert seen == ["shared", "alone", "done", "later"]

    run(scenario())


def test_who_gives_up_waiting_keeps_nobody_out() -> None:
    async def scenario() -> None:
        workspaces = Workspaces()
        async with workspaces.shared("main"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), workspaces.alone("main"):
                    pass
            async with workspaces.shared("main"):
                pass
        async with workspaces.alone("main"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), workspaces.shared("main"):
                    pass
        async with workspaces.alone("main"):
            pass

    run(scenario())
