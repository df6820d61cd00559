"""Speaking with an engine, or with something that says it is one."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from carapax.containers.engine import About, Engine, filters, places
from carapax.errors import Conflict, InvalidRequest, NotFound, Unavailable
from tests.engine import engine_socket
from tests.running import run

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose name is short, as that of a socket is, wherever temporary files are put."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


async def answered(folder: Path, answer: Answer, question: str = "") -> tuple[list[str], bytes]:
    """The paths something was asked for, and what it answered to the question."""
    asked: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return await answer(request)

    runner = web.ServerRunner(web.Server(note))
    await runner.setup()
    try:
        await web.UnixSite(runner, str(folder / "socket")).start()
        async with await Engine.open(str(folder / "socket")) as engine:
            return asked, await engine.call("GET", question) if question else b""
    finally:
        await runner.cleanup()


def version(newest: str, least: str) -> Answer:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.json_response({"ApiVersion": newest, "MinAPIVersion": least, "Version": "1"})

    return answer


@pytest.mark.parametrize(
    ("newest", "least", "spoken"), [("1.41", "1.12", "1.41"), ("1.99", "1.44", "1.51"), ("1.40", "1.40", "1.40")]
)
def test_the_newest_version_that_both_speak_is_spoken(folder: Path, newest: str, least: str, spoken: str) -> None:
    asked, _ = run(answered(folder, version(newest, least), "/info"))
    assert asked == ["/version", f"/v{spoken}/info"]


@pytest.mark.parametrize(("newest", "least"), [("1.39", "1.12"), ("2.5", "2.0"), ("one", "1.12")])
def test_an_engine_that_speaks_another_version_is_refused(folder: Path, newest: str, least: str) -> None:
    with pytest.raises(Unavailable, match="version"):
        run(answered(folder, version(newest, least)))


def test_what_is_no_engine_is_told(folder: Path) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text="<html>")

    with pytest.raises(Unavailable, match="answered /version with something else"):
        run(answered(folder, answer))


def test_without_an_engine_it_is_said_how_to_install_one(folder: Path) -> None:
    with pytest.raises(Unavailable, match="no container engine is at") as caught:
        run(Engine.open(str(folder / "none")))
    assert "apt install docker.io" in caught.value.hint


def test_an_engine_that_is_not_running_is_told_apart(folder: Path) -> None:
    async def closed() -> None:
        server = await asyncio.start_unix_server(lambda reader, writer: None, folder / "socket")
        server.close()
        await server.wait_closed()
        await Engine.open(str(folder / "socket"))

    with pytest.raises(Unavailable, match="cannot be reached"):
        run(closed())


@pytest.mark.parametrize(
    ("status", "error"), [(400, InvalidRequest), (404, NotFound), (409, Conflict), (500, Unavailable)]
)
def test_what_an_engine_refuses_is_told_in_its_words(folder: Path, status: int, error: type[Exception]) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/version":
            return web.json_response({"ApiVersion": "1.41"})
        return web.json_response({"message": "not\nthis way"}, status=status)

    with pytest.raises(error, match="not this way"):
        run(answered(folder, answer, "/info"))


def test_engines_are_looked_for_where_they_listen() -> None:
    assert places({"DOCKER_HOST": "unix:///a/socket"}) == ["/a/socket"]
    found = places({"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/me"})
    assert found[0] == "/var/run/docker.sock"
    assert {"/run/user/7/docker.sock", "/run/user/7/podman/podman.sock", "/run/podman/podman.sock"} <= set(found)


def test_an_engine_on_another_machine_is_refused() -> None:
    with pytest.raises(Unavailable, match="over Unix sockets only"):
        places({"DOCKER_HOST": "tcp://10.0.0.1:2375"})


def test_what_is_listed_is_named_by_labels() -> None:
    assert filters({"a": "b", "c": ""}, status=["dead"]) == {"filters": '{"label":["a=b","c"],"status":["dead"]}'}


def test_a_real_engine_says_what_it_is() -> None:
    async def scene() -> About:
        async with await Engine.open(engine_socket()) as engine:
            return engine.about

    assert run(scene()).version
