"""The configuration becomes another one while the gateway runs, by its file and by calls."""

import asyncio
import subprocess
import sys
import threading
import time
from collections import UserDict
from collections.abc import ItemsView
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carapax.config import Config
from carapax.configcheck import check
from carapax.configedit import Changes, change
from carapax.errors import Conflict, InvalidRequest
from carapax.home import Home
from carapax.settings import Settings
from carapax.testing.simulation import simulate
from tests.parts.live import FILE, gateway_on, until
from tests.running import run


def test_what_is_written_into_the_file_is_soon_in_force(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            settings = gateway.services.settings
            file.write_text(FILE + 'description = "new"\n[agents.second]\nmodel = "demo/demo"\nsandbox = "local"\n')
            await until(lambda: len(settings.current.agents) == 2)
            assert [(agent["name"], agent["description"]) for agent in (await gateway.rpc("agent.list"))["agents"]] == [
                ("main", "new"),
                ("second", ""),
            ]

    run(main())


@pytest.mark.parametrize(
    ("broken", "line", "told"),
    [
        ("[agents.main\n", 1, "not TOML"),
        (FILE + "effort = 5\n", 5, "agents.main.effort: expected"),
        (FILE + 'efort = "low"\n', 5, "did you mean 'effort'?"),
        (FILE.replace("demo/demo", "nobody/x"), 3, "nobody"),
        ("", 0, "is empty"),
        ("#" * 1_000_001, 0, "more than 1000000"),
        ("#" * 4_000_001, 0, "more than 4000000 bytes"),
        (FILE + '[telemetry.otlp_headers]\nAuthorization = "Basic dXNlcjpodW50ZXIy"\n', 6, "the name of a secret"),
    ],
)
def test_a_wrong_edit_changes_nothing_and_is_told_with_its_line(
    tmp_path: Path, broken: str, line: int, told: str
) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            settings = gateway.services.settings
            before = settings.current
            file.write_text(broken)
            await until(lambda: settings.problem is not None)
            assert settings.problem
            assert (settings.problem.line, settings.current) == (line, before)
            assert told in settings.problem.message
            with pytest.raises(Conflict, match="cannot be used as it is"):
                await settings.change({("agents", "main", "effort"): "low"})
            assert file.read_text() == broken
            file.write_text(FILE)
            await until(lambda: settings.problem is None)
            assert settings.current == before

    run(main())


def test_a_file_that_is_gone_or_a_folder_or_no_text_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            settings = gateway.services.settings
            before = settings.current
            file.unlink()
            await until(lambda: settings.problem is not None and "not there any more" in settings.problem.message)
            file.mkdir()
            await until(lambda: settings.problem is not None and "is no file" in settings.problem.message)
            file.rmdir()
            file.write_bytes(b"# fine\n# \xff")
            await until(lambda: settings.problem is not None and settings.problem.line == 2)
            assert settings.current == before

    run(main())


def test_a_file_that_is_replaced_behind_links_is_followed(tmp_path: Path) -> None:
    """As Kubernetes does it: the file is a link into a folder that is a link, which is put in another's place."""

    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            for number in (1, 2):
                (tmp_path / f"v{number}").mkdir()
                (tmp_path / f"v{number}" / "c.toml").write_text(f'{FILE}description = "{number}"\n')
            (tmp_path / "now").symlink_to("v1")
            file.unlink()
            file.symlink_to("now/c.toml")
            await until(lambda: gateway.services.config.agents["main"].description == "1")
            (tmp_path / "next").symlink_to("v2")
            (tmp_path / "next").rename(tmp_path / "now")
            await until(lambda: gateway.services.config.agents["main"].description == "2")

    run(main())


def test_a_call_changes_the_file_and_keeps_every_comment(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            settings = gateway.services.settings
            await settings.change({("agents", "main", "effort"): "low", ("budget", "daily_usd"): 2.5})
            assert file.read_text() == FILE + 'effort = "low"\n\n[budget]\ndaily_usd = 2.5\n'
            assert [budget.limit_usd for budget in gateway.services.accounts.standing()] == [2.5]
            await settings.change({("agents", "main", "effort"): None, ("budget",): None})
            assert file.read_text() == FILE
            assert gateway.services.accounts.standing() == []

    run(main())


def test_a_change_that_does_not_fit_names_each_key_and_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            with pytest.raises(InvalidRequest) as caught:
                await gateway.services.settings.change(
                    {
                        ("agents", "main", "efort"): "low",
                        ("limits", "sockets"): 0,
                        ("agents", "main", "model"): "nobody/x",
                    }
                )
            assert set(caught.value.fields) == {"agents.main.efort", "limits.sockets", "agents.main.model"}
            assert "did you mean 'effort'?" in caught.value.fields["agents.main.efort"]
            assert file.read_text() == FILE

    run(main())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("providers", "lab"), {"base_url": "http://lab", "key": "k"}),
        (("agents", "main", "persona"), "My key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"),
        (("tools", "x", "api_key"), "Zx81kQ0pLm22VvTt9sAa"),
    ],
)
def test_a_secret_is_not_written_into_the_file(tmp_path: Path, path: tuple[str, ...], value: object) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            with pytest.raises(InvalidRequest, match="in the vault"):
                await gateway.services.settings.change({path: value})
            assert file.read_text() == FILE

    run(main())


class _Noting(UserDict[tuple[str, ...], object]):
    """Changes that note which threads look at them."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes)
        self.threads: list[int] = []

    def items(self) -> ItemsView[tuple[str, ...], object]:
        self.threads.append(threading.get_ident())
        return super().items()


def test_many_changes_at_once_are_worked_out_beside_what_else_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, _):
            changes = _Noting({("models", f"lab/{number}", "input_usd"): 1.0 for number in range(3)})
            await gateway.services.settings.change(changes)
            assert changes.threads[-1] != threading.get_ident()
            assert len(gateway.services.config.models) == 3

    run(main())


def test_who_saw_another_file_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            settings = gateway.services.settings
            seen = settings.source.digest
            file.write_text(FILE + 'description = "theirs"\n')
            with pytest.raises(Conflict, match="changed meanwhile"):
                await settings.change({("agents", "main", "effort"): "low"}, seen=seen)
            assert settings.current.agents["main"].description == "theirs"
            await settings.change({("agents", "main", "effort"): "low"}, seen=settings.source.digest)
            assert file.read_text() == FILE + 'description = "theirs"\neffort = "low"\n'

    run(main())


def test_what_needs_a_restart_stays_and_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, _):
            settings = gateway.services.settings
            port = settings.current.gateway.port
            await settings.change({("gateway", "port"): 20_321, ("gateway", "allowed_hosts"): ["box.lan"]})
            assert (settings.current.gateway.port, settings.current.gateway.allowed_hosts) == (port, ("box.lan",))
            assert settings.restart == ("gateway.port",)
            async with gateway.call("GET", "/health", headers={"Host": "box.lan"}) as response:
                assert response.status == 200
            await settings.change({("gateway", "port"): None})
            assert not settings.restart

    run(main())


def test_it_is_told_who_changed_what_last_and_never_to_what(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            settings = gateway.services.settings
            await settings.change({("agents", "main", "effort"): "low"})
            file.write_text(file.read_text() + 'description = "d"\n')
            found: dict[str, tuple[str, str]] = {}
            while "agents.main.description" not in found:
                await asyncio.sleep(0.01)
                found = {change.path: (change.who, change.by) for change in await settings.changes()}
            assert found["agents.main.effort"] == ("local", "call")
            assert found["agents.main.description"] == ("local", "file")
            entries = (await gateway.rpc("audit.list", kind="config.changed"))["entries"]
            assert all("low" not in str(entry) for entry in entries)
            await settings.change(
                {("chains", "a\u2028gateway.host"): ["demo/demo"], ("chains", "a" * 9999): ["demo/demo"]}
            )
            known = {change.path for change in await settings.changes()}
            assert ("gateway.host" in known, max(map(len, known))) == (False, 200)

    run(main())


def test_without_a_gateway_a_change_is_only_written(tmp_path: Path) -> None:
    async def main() -> None:
        home = Home(tmp_path, tmp_path / "data")
        home.config_file.write_text(FILE)
        settings = Settings(check(home), home)
        await settings.change({("agents", "main", "effort"): "low"})
        assert check(home) == settings.current != Config()

    run(main())


def test_the_last_of_a_thousand_quick_edits_is_in_force(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            for number in range(1, 1001):
                file.write_text(f'{FILE}description = "{number}"\n')
                if number % 20 == 0:
                    await asyncio.sleep(0)
            await until(lambda: gateway.services.config.agents["main"].description == "1000")
            assert gateway.services.settings.problem is None

    run(main())


def test_two_writers_at_the_same_time_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """A command without a gateway, and another one, or the gateway: each changes the file as a whole."""
    home = Home(tmp_path, tmp_path / "data")
    home.config_file.write_text(FILE)

    def write(name: str) -> None:
        for number in range(20):
            change(home, {("providers", f"{name}{number}"): {"vendor": "openai"}})

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, ("a", "b")))
    assert set(check(home).providers) == {f"{name}{number}" for name in "ab" for number in range(20)}
    assert home.config_file.read_text().startswith(FILE)


_CHANGER = """
import asyncio, sys
from pathlib import Path
from carapax.configcheck import check
from carapax.configedit import Changes, change
from carapax.home import Home
from carapax.settings import Settings

async def main(home):
    settings = Settings(check(home), home)
    for number in range(10_000):
        await settings.change({("agents", "main", "description"): f"{number}"})
        if number == 3:
            print("begun", flush=True)

asyncio.run(main(Home(Path(sys.argv[1]), Path(sys.argv[1]) / "data")))
"""


def test_a_change_that_is_killed_in_the_middle_leaves_a_whole_file(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "data")
    home.config_file.write_text(FILE)
    for number in range(4):
        with subprocess.Popen([sys.executable, "-c", _CHANGER, str(tmp_path)], stdout=subprocess.PIPE) as changer:
            assert changer.stdout is not None
            assert changer.stdout.readline() == b"begun\n"
            time.sleep(0.004 * number)
            changer.kill()
        description = check(home).agents["main"].description
        assert home.config_file.read_text() == f'{FILE}description = "{description}"\n'


def test_a_half_written_file_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    """One that is written in place, slowly, and from any moment on: every part of it would be valid."""
    whole = f'{FILE}description = "d"\n[agents.second]\nmodel = "demo/demo"\nsandbox = "local"\n'
    home = Home(tmp_path, tmp_path / "data")

    async def main(begin_s: float) -> set[int]:
        home.config_file.write_text(FILE)
        settings, seen = Settings(check(home), home), set[int]()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(settings.watch())
            await asyncio.sleep(begin_s)
            with home.config_file.open("w") as stream:
                for line in whole.splitlines(keepends=True):
                    stream.write(line)
                    stream.flush()
                    await asyncio.sleep(0.09)
                    seen.add(len(settings.current.agents))
            await asyncio.sleep(1)
            watching.cancel()
        assert (len(settings.current.agents), settings.problem) == (2, None)
        return seen

    for tenths in range(5):
        assert simulate(main(0.01 + tenths / 10)) == {1}


def test_whenever_a_file_is_written_it_is_in_force_within_a_second(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "data")

    async def main(at_s: float) -> int:
        home.config_file.write_text(FILE)
        settings = Settings(check(home), home)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(settings.watch())
            await asyncio.sleep(at_s)
            home.config_file.write_text(FILE + '[agents.second]\nmodel = "demo/demo"\nsandbox = "local"\n')
            await asyncio.sleep(1)
            watching.cancel()
        return len(settings.current.agents)

    assert {simulate(main(hundredths / 100)) for hundredths in range(0, 100, 7)} == {2}
