"""macOS: each command sees the system read-only, its workspace, and nothing else, by a profile of `sandbox-exec`.

Everything is forbidden that the profile does not name. No network, or the web through a proxy in the gateway. There are
no namespaces on macOS: commands run as the gateway's user, with the files of the system in sight, and one that makes a
session of its own can outlive its command; it stays confined.
"""

import asyncio
import contextlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal

from msgspec import Struct

from carapax.contracts import Execution
from carapax.egressproxy import Connecting, Nowhere, listening_here
from carapax.errors import Unavailable
from carapax.process import (
    LIVING,
    Limits,
    keep_inherited,
    kill_marked,
    limiting,
    marked,
    revealed,
    run_process,
    stepped,
)
from carapax.redaction import Secret
from carapax.workspace import Workspace

_PROGRAM = "/usr/bin/sandbox-exec"
_PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_PROGRAMS = (
    *("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/local", "/opt/homebrew", "/opt/local"),
    *("/Library/Developer/CommandLineTools", "/Library/Frameworks", "/System/Library"),
)
_SYSTEM = (
    *("/usr/lib", "/usr/share", "/System/Cryptexes", "/System/Volumes/Preboot/Cryptexes", "/Library/Apple"),
    *("/private/var/db/dyld", "/private/var/db/timezone", "/private/var/select", "/private/etc/ssl", "/dev/fd"),
)
# Without "/" itself, the loader of macOS 26 ends every program; the others are links, or lead to what may be read.
_LED_THROUGH = ("/private", "/private/etc", "/private/var", "/etc", "/var", "/tmp", "/dev", "/opt", "/Library", "/usr")
_SYSCTLS = ("hw.", "machdep.cpu.", "kern.os", "kern.version", "kern.hostname", "kern.argmax", "kern.usrstack")
_SERVICES = ("com.apple.system.opendirectoryd.libinfo", "com.apple.system.opendirectoryd.membership", "com.apple.logd")
_OF_TLS = ("com.apple.trustd.agent", "com.apple.TrustEvaluationAgent")


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Where commands run, and what they may use.

    level: "strict" gives no network; "relaxed" the web, through a proxy that goes by the rules of `[egress]`
    limits: what commands may use; memory and the number of processes are not bounded on macOS
    """

    level: Literal["strict", "relaxed"] = "strict"
    limits: Limits = Limits()


class Seatbelt(Workspace):
    """A Sandbox: a workspace, and commands in it. Where they may reach the web they do so by `egress`; without one they
    reach nothing.

    Opening it starts one command, and raises Unavailable with the remedy when that does not work.
    """

    def __init__(self, config: Config, workspace: Path, egress: Connecting | None = None) -> None:
        root = Path(os.path.realpath(workspace))  # rules are about real paths: /var and /tmp are links
        self._config = config
        self._tmp = root.with_name(f".{root.name}-tmp")  # beside it, where the next start finds what is left
        self._quota = config.limits.quota(root)
        super().__init__(root, seen_as=str(root), quota=self._quota)
        self._egress = (egress or Nowhere()) if config.level == "relaxed" else None
        self._port: int | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Seatbelt":
        if platform.system() != "Darwin":
            raise Unavailable("seatbelt exists only on macOS", 'choose another sandbox, such as sandbox = "bubblewrap"')
        keep_inherited()
        await asyncio.to_thread(self._make)
        if self._egress:
            self._port = await self._stack.enter_async_context(listening_here(self._egress))
        probe = await self.exec(["true"], timeout_s=10, max_output=2000)
        if probe.exit_code or probe.killed:
            await self._stack.aclose()
            said = " ".join(probe.output.split()) or f"it ended with {probe.exit_code}"
            raise Unavailable(f"sandbox-exec does not work here: {said}", "look for denials with `log stream`")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        await asyncio.to_thread(shutil.rmtree, self._tmp, ignore_errors=True)

    @property
    def network(self) -> bool:
        """Whether commands reach the web, by `egress`."""
        return self._egress is not None

    def of(self, session: str) -> "Seatbelt":
        """All sessions share it."""
        return self

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        given = revealed(environment)
        limits = await self._config.limits.left(self._quota)
        mark, variable = marked()
        inside = stepped([LIVING, *limiting(limits, own_processes=False)], command)
        return await run_process(
            [_PROGRAM, "-p", profile(self.root, self._port), *self._parameters(), *inside],
            folder=self.root,
            environment={**given, **self._environment(), **variable},
            kill=partial(kill_marked, mark),
            timeout_s=timeout_s,
            max_output=max_output,
            output_bytes=limits.output_bytes,
            quota=self._quota,
            progress=progress,
        )

    def _parameters(self) -> list[str]:
        return ["-D", f"WORKSPACE={self.root}", "-D", f"TMP={self._tmp}"]

    def _make(self) -> None:
        self.make()
        shutil.rmtree(self._tmp, ignore_errors=True)
        self._tmp.mkdir(mode=0o700)

    def _environment(self) -> dict[str, str]:
        proxy = f"http://127.0.0.1:{self._port}"
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy) if self._port else {}
        own = {"HOME": str(self.root), "TMPDIR": str(self._tmp)}
        return {"PATH": _PATH, "LANG": "en_US.UTF-8", "TERM": "dumb", **own, **proxies}


EXTENSION = Seatbelt


def profile(workspace: Path, port: int | None) -> str:
    """What commands may do, in the language of sandbox profiles; workspace and temporary folder are parameters of it.

    `port` is that of the proxy on this machine, the one place of the network that they may connect to.
    """
    return "\n".join(_rules(workspace, port)) + "\n"


def _rules(workspace: Path, port: int | None) -> Iterator[str]:
    yield "(version 1)"
    yield "(deny default)"
    yield "(allow process-fork)"
    yield f'(allow process-exec {_each("subpath", _PROGRAMS)} (subpath (param "WORKSPACE")) (subpath (param "TMP")))'
    yield "(allow signal (target same-sandbox))"
    yield "(allow process-info* (target same-sandbox))"
    yield f"(allow sysctl-read {_each('sysctl-name-prefix', _SYSCTLS)})"
    yield f"(allow mach-lookup {_each('global-name', _SERVICES + (_OF_TLS if port else ()))})"
    yield "(allow ipc-posix-sem)"
    yield f"(allow file-read-metadata {_each('literal', _LED_THROUGH)} {_each('literal', _above(workspace))})"
    yield f'(allow file-read* (literal "/") {_each("subpath", _PROGRAMS + _SYSTEM)})'
    yield f"(allow file-read* {_each('literal', ('/dev/random', '/dev/urandom', '/dev/zero'))})"
    yield '(allow file-read* file-write-data (literal "/dev/null"))'
    yield '(allow file-read* file-write* (subpath (param "WORKSPACE")) (subpath (param "TMP")))'
    if port is not None:
        yield f'(allow network-outbound (remote tcp "localhost:{port}"))'


def _each(filter_name: str, values: Sequence[str]) -> str:
    return " ".join(f"({filter_name} {_quoted(value)})" for value in values)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _above(workspace: Path) -> tuple[str, ...]:
    return tuple(str(folder) for folder in workspace.parents if folder != folder.parent)
