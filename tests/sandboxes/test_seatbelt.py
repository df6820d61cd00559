"""The profile by which macOS confines commands: read as the system reads it, and followed as far as that goes here."""

import platform
import re
import stat
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from carapax.config import EgressConfig
from carapax.contracts import Execution, Sandbox
from carapax.egress import PublicEgress
from carapax.errors import Unavailable
from carapax.sandboxes import seatbelt
from carapax.sandboxes.seatbelt import Config, Seatbelt, profile
from tests.running import run
from tests.sandboxes.sandbox_contract import SandboxContract

Form = str | list["Form"]
WORKSPACE = Path("/Users/ann/.carapax/workspaces/main")
RECORDING = """#!/bin/sh
# Stands for sandbox-exec: says how it was called, and runs the command unconfined.
printf '%s\\n' "$@" > "{record}"
shift 6
exec "$@"
"""


def parsed(text: str) -> list[Form]:
    """The forms of a profile."""
    root: list[Form] = []
    open_forms = [root]
    for token in re.findall(r'"(?:\\.|[^"\\])*"|[()]|[^\s()"]+', text):
        if token == "(":
            form: list[Form] = []
            open_forms[-1].append(form)
            open_forms.append(form)
        elif token == ")":
            open_forms.pop()
        else:
            open_forms[-1].append(_string(token) if token.startswith('"') else token)
    assert open_forms == [root]
    return root


def _string(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def may(operation: str, what: str = "", *, port: int | None = None, workspace: Path = WORKSPACE) -> bool:
    """What the profile says about an operation on something. Of several rules that match, the last one counts."""
    verdict = False
    for rule in parsed(profile(workspace, port))[1:]:
        assert isinstance(rule, list)
        action, *rest = rule
        names = [part for part in rest if isinstance(part, str)]
        filters = [part for part in rest if isinstance(part, list)]
        if any(_covers(name, operation) for name in names) and (
            not filters or any(_matches(one, what, workspace) for one in filters)
        ):
            verdict = action == "allow"
    return verdict


def _covers(name: str, operation: str) -> bool:
    return name in ("default", operation) or (name.endswith("*") and operation.startswith(name[:-1]))


def _matches(condition: list[Form], what: str, workspace: Path) -> bool:
    kind, *values = condition
    value = values[-1]
    parameters = {"WORKSPACE": str(workspace), "TMP": str(workspace.with_name(".main-tmp"))}
    text = parameters[str(value[1])] if isinstance(value, list) else value
    match kind:
        case "literal" | "global-name" | "target" | "remote":
            return what == text
        case "subpath":
            return what == text or what.startswith(text + "/")
        case "sysctl-name-prefix":
            return what.startswith(text)
    raise AssertionError(f"a filter nobody knows: {kind}")


ALLOWED = [
    ("file-read-data", "/"),
    ("file-read-data", "/usr/lib/libSystem.B.dylib"),
    ("file-read-data", "/System/Volumes/Preboot/Cryptexes/OS/System/Library/dyld/dyld_shared_cache_arm64e"),
    ("file-read-data", "/usr/share/zoneinfo/Europe/Rome"),
    ("file-read-data", "/dev/urandom"),
    ("file-write-data", "/dev/null"),
    ("file-read-data", str(WORKSPACE / "notes" / "today.txt")),
    ("file-write-create", str(WORKSPACE / "new")),
    ("file-write-unlink", str(WORKSPACE / "new")),
    ("file-read-metadata", "/Users/ann/.carapax"),
    ("process-exec", "/bin/sh"),
    ("process-exec", str(WORKSPACE / "tool")),
    ("process-fork", ""),
    ("file-write-create", str(WORKSPACE.with_name(".main-tmp") / "x")),
    ("signal", "same-sandbox"),
    ("sysctl-read", "hw.ncpu"),
    ("mach-lookup", "com.apple.system.opendirectoryd.libinfo"),
]
FORBIDDEN = [
    *(
        ("file-read-data", path)
        for path in (
            "/etc/passwd",
            "/private/etc/passwd",
            "/private/etc/master.passwd",
            "/Users/ann/.ssh/id_ed25519",
            "/Users/ann/.aws/credentials",
            "/Users/ann/Library/Keychains/login.keychain-db",
            "/Users/ann/.carapax/carapax.toml",
            "/Users/ann/.carapax/workspaces/other/file",
            "/Users/ann/.carapax/workspaces/main2/file",
            "/Users/ann/.carapax/workspaces",
            "/Users/ann",
            "/private/var/folders/ab/T/secret",
            "/private/tmp/secret",
            "/private/var/log/system.log",
            "/Library/Preferences/com.apple.TimeMachine.plist",
            "/Library/Keychains/System.keychain",
            "/Applications/Mail.app/Contents/Info.plist",
            "/Volumes/Backup/file",
            "/dev/disk0",
            "/dev/rdisk0",
            "/dev/ttys000",
            "/cores/core.1",
            "/Network/file",
        )
    ),
    *(
        ("file-write-create", path)
        for path in (
            "/usr/local/bin/ls",
            "/private/tmp/x",
            "/Users/ann/x",
            f"{WORKSPACE}2/x",
            "/Library/LaunchAgents/x",
        )
    ),
    ("file-write-data", "/dev/zero"),
    ("file-write-data", "/bin/sh"),
    ("process-exec", "/private/tmp/x"),
    ("process-exec", "/Users/ann/bin/x"),
    ("process-exec", "/Applications/Utilities/Terminal.app/Contents/MacOS/Terminal"),
    ("signal", "others"),
    ("signal", "pgrp"),
    ("process-info-pidinfo", "others"),
    ("sysctl-read", "kern.proc.all"),
    ("sysctl-read", "kern.procargs2"),
    ("sysctl-write", "hw.ncpu"),
    ("mach-lookup", "com.apple.securityd.xpc"),
    ("mach-lookup", "com.apple.pasteboard.1"),
    ("mach-lookup", "com.apple.coreservices.launchservicesd"),
    ("mach-lookup", "com.apple.trustd.agent"),
    ("mach-register", "anything"),
    ("iokit-open", "IOSurfaceRootUserClient"),
    ("network-outbound", "1.1.1.1:443"),
    ("network-outbound", "localhost:3128"),
    ("network-outbound", "/var/run/docker.sock"),
    ("network-inbound", "localhost:80"),
    ("network-bind", "localhost:80"),
    ("system-socket", ""),
    ("user-preference-read", ""),
    ("ipc-posix-shm-read-data", "x"),
    ("appleevent-send", "com.apple.finder"),
    ("job-creation", ""),
    ("process-exec-interpreter", "/private/tmp/x"),
    ("system-privilege", ""),
    ("lsopen", ""),
]


@pytest.mark.parametrize(("operation", "what"), ALLOWED)
def test_what_commands_need_is_allowed(operation: str, what: str) -> None:
    assert may(operation, what)


@pytest.mark.parametrize(("operation", "what"), FORBIDDEN)
def test_everything_else_is_forbidden(operation: str, what: str) -> None:
    assert not may(operation, what)


def test_of_the_network_a_relaxed_command_reaches_the_proxy_alone() -> None:
    places = ["localhost:4321", "localhost:4322", "1.1.1.1:443", "/var/run/docker.sock"]
    assert [may("network-outbound", place, port=4321) for place in places] == [True, False, False, False]
    assert not may("network-bind", "localhost:4321", port=4321)


def test_the_name_of_a_workspace_adds_no_rule() -> None:
    hostile = Path('/Users/a")) (allow default) (allow file-read* (subpath "/x')
    assert not may("file-read-data", "/etc/passwd", workspace=hostile)
    assert not may("network-outbound", "1.1.1.1:443", workspace=hostile)
    assert may("file-read-data", str(hostile / "file"), workspace=hostile)


def test_the_same_questions_find_a_profile_that_allows_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(workspace: Path, port: int | None) -> Iterator[str]:
        yield from ("(version 1)", "(allow default)", '(deny file-write* (subpath "/usr"))')

    monkeypatch.setattr(seatbelt, "_rules", careless)
    assert sum(may(operation, what) for operation, what in FORBIDDEN) > 40


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a sandbox-exec that runs commands unconfined writes how it was called."""
    program = tmp_path / "sandbox-exec"
    program.write_text(RECORDING.replace("{record}", str(tmp_path / "record")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(seatbelt, "_PROGRAM", str(program))
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    return tmp_path / "record"


@pytest.mark.usefixtures("mac")
class TestSeatbelt(SandboxContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[Sandbox]:
        return Seatbelt(Config(), folder / "private" / "workspace")


def executed(sandbox: Seatbelt, *command: str) -> Execution:
    async def scene() -> Execution:
        async with sandbox:
            return await sandbox.exec(command, timeout_s=20, max_output=2000)

    return run(scene())


def test_commands_are_started_with_the_profile_and_the_real_path_of_the_workspace(mac: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    ended = executed(Seatbelt(Config(), tmp_path / "link" / "workspace"), "pwd")
    real = tmp_path / "real" / "workspace"
    called = mac.read_text()
    assert ended.output == f"{real}\n"
    assert called.startswith(
        f"-p\n{profile(real, None)}\n-D\nWORKSPACE={real}\n-D\nTMP={real.parent}/.workspace-tmp\n/bin/sh\n-c\n"
    )
    assert not (real.parent / ".workspace-tmp").exists()


def test_strict_commands_have_no_proxy_and_relaxed_ones_are_told_of_theirs(mac: Path, tmp_path: Path) -> None:
    strict = executed(Seatbelt(Config(), tmp_path / "a"), "env").output
    egress = PublicEgress(EgressConfig())
    relaxed = executed(Seatbelt(Config(level="relaxed"), tmp_path / "b", egress), "env").output
    port = re.findall(r"^https_proxy=http://127.0.0.1:([0-9]+)$", relaxed, re.MULTILINE)
    assert "proxy" not in strict.lower()
    assert len(port) == 1
    assert f'(remote tcp "localhost:{port[0]}")' in mac.read_text()
    assert Seatbelt(Config(), tmp_path).network is False
    assert Seatbelt(Config(level="relaxed"), tmp_path).network is True


@pytest.mark.skipif(platform.system() == "Darwin", reason="here it works")
def test_elsewhere_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="only on macOS") as caught:
        executed(Seatbelt(Config(), tmp_path / "w"), "true")
    assert "bubblewrap" in caught.value.hint


def test_a_profile_that_the_system_refuses_is_told(tmp_path: Path, mac: Path) -> None:
    Path(seatbelt._PROGRAM).write_text("#!/bin/sh\necho 'sandbox-exec: profile: unbound variable' >&2; exit 65\n")
    with pytest.raises(Unavailable, match="does not work here: sandbox-exec: profile: unbound variable"):
        executed(Seatbelt(Config(), tmp_path / "w"), "true")
