"""What every sandbox keeps to. Each implementation runs this suite: it subclasses it and opens itself."""

import asyncio
import contextlib
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from carapax.contracts import Entry, Execution, Sandbox
from carapax.errors import CarapaxError, Forbidden, InvalidRequest, NotFound, Unavailable
from carapax.redaction import Secret
from tests.running import run

ODD_VALUE = "a 'b' \"c\" $d `e` \\ \n--bind / € end"


class FilesContract:
    """Reading, writing and listing, for a sandbox that may have no processes."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        raise NotImplementedError

    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        async def scene() -> bytes:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("notes/today.txt", b"one\n")
                await sandbox.write_file("notes/today.txt", b"two\n", append=True)
                return await sandbox.read_file("./notes/../notes/today.txt", 100)

        assert run(scene()) == b"one\ntwo\n"

    def test_a_second_write_replaces_the_first(self, tmp_path: Path) -> None:
        async def scene() -> bytes:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("a", b"a long text")
                await sandbox.write_file("a", b"short")
                return await sandbox.read_file("a", 5)

        assert run(scene()) == b"short"

    def test_appending_makes_the_file(self, tmp_path: Path) -> None:
        async def scene() -> bytes:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("deep/er/log", b"x", append=True)
                return await sandbox.read_file("deep/er/log", 5)

        assert run(scene()) == b"x"

    def test_files_are_listed_in_order_with_their_sizes(self, tmp_path: Path) -> None:
        async def scene() -> list[list[Entry]]:
            async with self.opened(tmp_path) as sandbox:
                for name in ("b", "a/c", "a.txt", "a/b/d"):
                    await sandbox.write_file(name, name.encode())
                return [
                    await sandbox.list_files(".", recursive=True, max_entries=100),
                    await sandbox.list_files("a", recursive=False, max_entries=100),
                    await sandbox.list_files("a", recursive=True, max_entries=2),
                ]

        below_a = [Entry("a/b", "folder", 0), Entry("a/b/d", "file", 5), Entry("a/c", "file", 3)]
        everything = [Entry("a", "folder", 0), *below_a, Entry("a.txt", "file", 5), Entry("b", "file", 1)]
        assert run(scene()) == [everything, [below_a[0], below_a[2]], below_a[:2]]

    @pytest.mark.parametrize(
        ("path", "error"),
        [
            ("../x", Forbidden),
            ("a/../../x", Forbidden),
            ("/etc/passwd", Forbidden),
            ("/", Forbidden),
            ("nothing", NotFound),
            ("a/nothing/at/all", NotFound),
            ("a", InvalidRequest),
            ("", InvalidRequest),
            (".", InvalidRequest),
            ("a/file/below", InvalidRequest),
            ("a/file\0", InvalidRequest),
            ("big", InvalidRequest),
            ("x" * 256, InvalidRequest),
        ],
    )
    def test_what_cannot_be_read_is_refused(self, tmp_path: Path, path: str, error: type[CarapaxError]) -> None:
        async def scene() -> None:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("a/file", b"")
                await sandbox.write_file("big", b"123456")
                await sandbox.read_file(path, 5)

        with pytest.raises(error):
            run(scene())

    @pytest.mark.parametrize(
        ("path", "error"),
        [
            ("../x", Forbidden),
            ("a/../../x", Forbidden),
            ("/tmp/x", Forbidden),
            ("a", InvalidRequest),
            (".", InvalidRequest),
            ("new/", InvalidRequest),
            ("a/file/below", InvalidRequest),
            ("x" * 256, InvalidRequest),
        ],
    )
    @pytest.mark.parametrize("append", [False, True])
    def test_what_cannot_be_written_is_refused(
        self, tmp_path: Path, path: str, error: type[CarapaxError], append: bool
    ) -> None:
        async def scene() -> None:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("a/file", b"")
                await sandbox.write_file(path, b"x", append=append)

        with pytest.raises(error):
            run(scene())

    @pytest.mark.parametrize(("path", "error"), [("..", Forbidden), ("no", NotFound), ("file", InvalidRequest)])
    def test_what_cannot_be_listed_is_refused(self, tmp_path: Path, path: str, error: type[CarapaxError]) -> None:
        async def scene() -> None:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("file", b"")
                await sandbox.list_files(path, recursive=True, max_entries=5)

        with pytest.raises(error):
            run(scene())


class CommandsContract:
    """Running commands, which share the workspace with reading and writing."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        raise NotImplementedError

    def executed(self, folder: Path, *command: str, timeout_s: float = 20, max_output: int = 10_000) -> Execution:
        async def scene() -> Execution:
            async with self.opened(folder) as sandbox:
                return await sandbox.exec(command, timeout_s=timeout_s, max_output=max_output)

        return run(scene())

    def test_a_command_says_what_it_says_and_how_it_ended(self, tmp_path: Path) -> None:
        ended = self.executed(tmp_path, "sh", "-c", "echo out; echo err >&2; exit 3")
        assert ended == Execution(3, "out\nerr\n")

    def test_a_command_gets_no_descriptor_that_the_gateway_was_started_with(self, tmp_path: Path) -> None:
        with (tmp_path / "inherited").open("w") as file:
            os.dup2(file.fileno(), 199, inheritable=True)
            try:
                ended = self.executed(tmp_path / "workspace", "ls", "/proc/self/fd/199")
            finally:
                os.close(199)
        assert (ended.exit_code != 0, "No such file" in ended.output) == (True, True)

    def test_a_signal_is_a_negative_exit_code(self, tmp_path: Path) -> None:
        assert self.executed(tmp_path, "sh", "-c", "kill -9 $$") == Execution(-9, "")

    def test_an_unknown_command_fails_with_127(self, tmp_path: Path) -> None:
        assert self.executed(tmp_path, "no-such-command").exit_code == 127

    def test_commands_and_files_share_the_workspace(self, tmp_path: Path) -> None:
        async def scene() -> tuple[Execution, bytes]:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("sub/in", b"text")
                ended = await sandbox.exec(
                    ["sh", "-c", "cat sub/in; echo more >> sub/in; echo new > sub/out; rm sub/in"],
                    timeout_s=20,
                    max_output=100,
                )
                await sandbox.write_file("sub/out", b"again", append=True)
                return ended, await sandbox.read_file("sub/out", 100)

        assert run(scene()) == (Execution(0, "text"), b"new\nagain")

    def test_an_absolute_path_into_the_workspace_is_understood(self, tmp_path: Path) -> None:
        async def scene() -> bytes:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.write_file("here", b"yes")
                where = await sandbox.exec(["pwd"], timeout_s=20, max_output=1000)
                return await sandbox.read_file(where.output.strip() + "/here", 100)

        assert run(scene()) == b"yes"

    def test_nothing_is_given_on_standard_input(self, tmp_path: Path) -> None:
        assert self.executed(tmp_path, "cat") == Execution(0, "")

    def test_the_environment_of_the_gateway_is_not_given(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("A_PLANTED_SECRET", "value-of-it")
        ended = self.executed(tmp_path, "sh", "-c", "env; cat /proc/$PPID/environ /proc/1/environ")
        assert "HOME=" in ended.output
        assert "value-of-it" not in ended.output

    def given(self, folder: Path, environment: dict[str, Secret], *command: str) -> Execution:
        async def scene() -> Execution:
            async with self.opened(folder) as sandbox:
                return await sandbox.exec(command, timeout_s=20, max_output=90_000, environment=environment)

        return run(scene())

    def test_a_variable_is_given_to_a_command_and_to_no_other(self, tmp_path: Path) -> None:
        script = 'printf %s "$TOKEN"'
        assert self.given(tmp_path, {"TOKEN": Secret(ODD_VALUE)}, "sh", "-c", script) == Execution(0, ODD_VALUE)
        assert self.given(tmp_path, {}, "sh", "-c", script) == Execution(0, "")

    def test_a_given_value_shows_on_no_command_line(self, tmp_path: Path) -> None:
        script = 'for file in /proc/[0-9]*/cmdline; do cat "$file"; done 2>/dev/null | tr "\\0" " "'
        ended = self.given(tmp_path, {"TOKEN": Secret("planted-value-7531")}, "sh", "-c", script)
        assert ("/proc/[0-9]*" in ended.output, "planted-value-7531" in ended.output) == (True, False)

    def test_a_given_variable_takes_the_place_of_none_of_the_sandbox(self, tmp_path: Path) -> None:
        ended = self.given(tmp_path, {"PATH": Secret("/nowhere"), "HOME": Secret("/nowhere")}, "sh", "-c", "env")
        assert (ended.exit_code, "/nowhere" in ended.output) == (0, False)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("A", "a\0--bind\0/\0/host"),
            ("A", "half \ud800"),
            ("A", "x" * 200_000),
            ("A=B", "value"),
            ("", "value"),
            ("A\0B", "value"),
        ],
    )
    def test_what_cannot_be_a_variable_is_refused(self, tmp_path: Path, name: str, value: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            self.given(tmp_path, {name: Secret(value)}, "true")
        assert value not in str(caught.value)

    def test_a_command_is_killed_at_its_time_limit_with_all_it_started(self, tmp_path: Path) -> None:
        marker = lasting(4242)
        ended = self.executed(tmp_path, "sh", "-c", f"echo on; (setsid {marker} &) ; {marker}", timeout_s=2)
        assert ended == Execution(-9, "on\n", killed="time")
        assert not running(marker)

    def test_what_a_command_leaves_behind_is_killed_when_it_ends(self, tmp_path: Path) -> None:
        marker = lasting(4343)
        ended = self.executed(tmp_path, "sh", "-c", f"(setsid {marker} >/dev/null &); {marker} & echo done")
        assert ended == Execution(0, "done\n")
        assert not running(marker)

    def test_a_cancelled_command_is_killed_with_all_it_started(self, tmp_path: Path) -> None:
        marker = lasting(4444)

        async def scene() -> None:
            async with self.opened(tmp_path) as sandbox:
                started = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    execution = group.create_task(
                        sandbox.exec(
                            ["sh", "-c", f"{marker} & echo started; {marker}"],
                            timeout_s=20,
                            max_output=100,
                            progress=lambda text: started.set(),
                        )
                    )
                    await started.wait()
                    execution.cancel()

        run(scene())
        assert not running(marker)

    def test_output_is_passed_on_as_it_comes_without_breaking_characters(self, tmp_path: Path) -> None:
        pieces: list[str] = []

        async def scene() -> Execution:
            async with self.opened(tmp_path) as sandbox:
                return await sandbox.exec(
                    ["sh", "-c", r"printf '\342\202'; sleep 0.2; printf '\254\377'; sleep 0.2; printf '\342'"],
                    timeout_s=20,
                    max_output=100,
                    progress=pieces.append,
                )

        assert run(scene()) == Execution(0, "€��")
        assert "".join(pieces) == "€��"
        assert len(pieces) > 1

    def test_of_too_much_output_the_beginning_and_the_end_are_kept(self, tmp_path: Path) -> None:
        ended = self.executed(tmp_path, "sh", "-c", "echo first; seq 100000; echo last", max_output=1000)
        assert (ended.exit_code, ended.truncated, ended.killed) == (0, True, "")
        assert ended.output.startswith("first\n1\n2\n")
        assert ended.output.endswith("99999\n100000\nlast\n")
        assert "bytes cut out here" in ended.output
        assert len(ended.output) < 1100

    def test_an_endless_output_is_stopped(self, tmp_path: Path) -> None:
        ended = self.executed(tmp_path, "yes", max_output=1000)
        assert (ended.exit_code, ended.killed) == (-9, "output")

    def test_a_command_longer_than_the_system_takes_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest):
            self.executed(tmp_path, "echo", "x" * 200_000)

    @pytest.mark.parametrize("word", ["touch made\0 --of=another", "touch made \ud800"])
    def test_a_command_that_the_system_would_take_as_another_is_not_run(self, tmp_path: Path, word: str) -> None:
        async def scene() -> list[Entry]:
            async with self.opened(tmp_path) as sandbox:
                with pytest.raises(InvalidRequest, match="null character"):
                    await sandbox.exec(["sh", "-c", word], timeout_s=20, max_output=100)
                return await sandbox.list_files(".", recursive=False, max_entries=9)

        assert run(scene()) == []

    def test_what_a_command_locked_hides_no_other_file_and_is_written_over(self, tmp_path: Path) -> None:
        script = "mkdir locked; touch file locked/in; chmod 000 file locked"

        async def scene() -> tuple[list[Entry], Execution]:
            async with self.opened(tmp_path) as sandbox:
                await sandbox.exec(["sh", "-c", script], timeout_s=20, max_output=100)
                await sandbox.write_file("file", b"new")
                found = await sandbox.list_files(".", recursive=True, max_entries=2)
                return found, await sandbox.exec(
                    ["sh", "-c", "stat -c %a file; chmod 700 file locked; cat file"], timeout_s=20, max_output=100
                )

        found, ended = run(scene())
        assert found == [Entry("file", "file", 3), Entry("locked", "folder", 0)]
        assert ended == Execution(0, "0\nnew")

    def test_a_workspace_that_cannot_be_made_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "private").write_bytes(b"")
        (tmp_path / "workspace").write_bytes(b"")
        with pytest.raises(Unavailable, match="the workspace cannot be made"):
            self.executed(tmp_path, "true")

    def test_memory_is_bounded(self, tmp_path: Path) -> None:
        ended = self.executed(tmp_path, "dd", "if=/dev/zero", "of=/dev/null", "bs=3G", "count=1")
        assert ended.exit_code != 0
        assert "memory" in ended.output

    def test_the_length_of_files_is_bounded(self, tmp_path: Path) -> None:
        ended = self.executed(tmp_path, "sh", "-c", "truncate -s 1000000000000 big; stat -c %s big")
        assert "1000000000000" not in ended.output.splitlines()


class SandboxContract(FilesContract, CommandsContract):
    """All of it."""


def lasting(number: int) -> str:
    """A command that lasts. No other process that tests has the same at the same time."""
    return f"sleep {number}{os.getpid()}"


def running(words: str) -> list[str]:
    """Command lines of processes that run these words."""
    return [command for command in processes() if command == words]


def processes() -> list[str]:
    """The command lines of all processes of the machine."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
    return found
