"""`carapax sandbox`, against a real engine."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from carapax.config import Home
from carapax.containers.engine import Engine
from carapax.containers.records import HOME, home_id
from carapax.sandboxes.docker import Docker
from tests.cli.conftest import CONFIG, Run
from tests.engine import configured, engine_socket, remove_volumes, root_files
from tests.running import run as run_


@pytest.fixture
def workspaces(home: Home) -> Iterator[Path]:
    """Where the workspaces of a home are whose agents run in containers."""
    sandboxes = f'[sandboxes.docker]\nsocket = "{engine_socket()}"\nbase = "{root_files()}"\n'
    home.config_file.write_text(CONFIG + 'sandbox = "docker"\n' + sandboxes)
    yield home.workspaces
    run_(remove_volumes(home_id(home.workspaces)))


def used(workspaces: Path, agent: str) -> None:
    """Have an agent that has written a file."""

    async def scene() -> None:
        async with Docker(configured(), workspaces / agent) as sandbox:
            await sandbox.write_file("file", b"x")

    run_(scene())


def listed(run: Run) -> list[tuple[str, str, str]]:
    lines = run("sandbox", "list", "--json").stdout.splitlines()
    return [(one["kind"], one["agent"], one["state"]) for one in map(json.loads, lines)]


def volumes(run: Run) -> list[tuple[str, str, str]]:
    """What is kept for agents; an image is there as well where this was the first to need it."""
    return [one for one in listed(run) if one[0] == "volume"]


def test_what_there_is_is_listed(run: Run, workspaces: Path) -> None:
    assert "there is nothing" in run("sandbox", "list").stderr
    used(workspaces, "main")
    used(workspaces, "other")
    assert volumes(run) == [("volume", "main", "kept"), ("volume", "other", "kept")]
    assert f"volume  carapax-{home_id(workspaces)}-main  main  kept  0.0 MB" in run("sandbox", "list").stdout


def test_an_agents_volume_is_removed_after_a_yes(run: Run, workspaces: Path) -> None:
    used(workspaces, "main")
    used(workspaces, "other")
    assert run("sandbox", "remove", "main", typed="n\n").exit_code == 1
    assert len(volumes(run)) == 2
    assert "-main is removed" in run("sandbox", "remove", "main", typed="y\n").stdout
    assert volumes(run) == [("volume", "other", "kept")]
    assert run("sandbox", "remove", "other", "--yes").exit_code == 0
    missing = run("sandbox", "remove", "other", "--yes")
    assert (missing.exit_code, "has nothing on the engine" in missing.stderr) == (1, True)


def test_what_a_gateway_uses_is_not_removed(run: Run, workspaces: Path) -> None:
    async def scene() -> Result:
        async with Docker(configured(), workspaces / "main") as sandbox:
            await sandbox.write_file("file", b"x")
            return await asyncio.to_thread(run, "sandbox", "remove", "main", "--yes")

    refused = run_(scene())
    assert (refused.exit_code, "stop the gateway first" in refused.stderr) == (1, True)


def test_the_image_is_built_with_progress_and_cleaned_away_when_it_is_another(
    run: Run, workspaces: Path, home: Home
) -> None:
    with home.config_file.open("a") as file:
        file.write('commands = ["echo for the test of the image > /etc/made"]\n')
    built = run("sandbox", "build")
    assert "FROM carapax-base" in built.stdout
    assert "is built" in built.stdout
    tag = built.stdout.split(" is built")[0].split()[-1]
    assert ("image", "", "kept") in listed(run)
    assert "has nothing on the engine" in run("sandbox", "remove", "", "--yes").stderr
    assert "nothing to remove" in run("sandbox", "clean").stderr
    home.config_file.write_text(home.config_file.read_text().replace("for the test", "for another test"))
    assert f"{tag} is removed" in run("sandbox", "clean").stdout
    assert listed(run) == []


def test_clean_removes_containers_that_do_not_run_and_keeps_volumes(run: Run, workspaces: Path) -> None:
    used(workspaces, "main")

    async def leave_behind() -> None:
        async with await Engine.open(engine_socket()) as engine:
            sandbox = Docker(configured(), workspaces / "main")
            async with sandbox:
                image = sandbox.image
            body = {"Image": image, "Cmd": ["true"], "Labels": {HOME: home_id(workspaces)}}
            await engine.call("POST", "/containers/create", query={"name": "carapax-left"}, body=body)

    run_(leave_behind())
    assert run("doctor").output.count("left over on the engine: carapax-left") == 1
    assert "repaired: removed: carapax-left" in run("doctor", "--fix").output
    run_(leave_behind())
    assert "carapax-left is removed" in run("sandbox", "clean").stdout
    assert volumes(run) == [("volume", "main", "kept")]


def test_without_an_engine_it_is_said_how_to_install_one(run: Run, home: Home) -> None:
    home.config_file.write_text(f'{CONFIG}[sandboxes.docker]\nsocket = "/nowhere"\nbase = "{root_files()}"\n')
    done = run("sandbox", "list")
    assert (done.exit_code, "apt install docker.io" in " ".join(done.stderr.split())) == (1, True)
