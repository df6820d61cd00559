"""What systemd and launchd are told of the gateway. Pure."""

import os
import plistlib
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from carapax.config import Home
from carapax.text import written_out

_SYSTEMD = """\
[Unit]
Description=Carapax, an agent gateway ({home})
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec=5
# 2: a configuration that cannot be used, which starting again does not mend.
RestartPreventExitStatus=2
KillMode=mixed
TimeoutStopSec=30
# A command of an agent that takes too much memory is ended, and the gateway is not.
OOMPolicy=continue
Delegate=memory pids

# Hardening. Whatever needs a mount namespace (ProtectSystem, ProtectHome, PrivateTmp, ProtectKernelTunables,
# ProtectProc), RestrictNamespaces, ProtectHostname and SystemCallFilter are left out: bubblewrap makes namespaces of
# its own for each command of an agent, mounts in them and names their host, which these forbid. It is the stricter
# wall of the two.
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
UMask=0077

[Install]
WantedBy=default.target
"""


_CONTROLS = re.compile("[\\x00-\\x1f\\x7f\\udc80-\\udcff]")


def name_of(home: Home, usual: Home) -> str:
    """What the service of a home is called; `usual` is the home that needs no mark of its own."""
    if home == usual:
        return "carapax"
    folders = f"{home.config_dir}\0{home.data_dir}"
    return f"carapax-{sha256(folders.encode()).hexdigest()[:8]}"


def serving(python: str, home: Home) -> list[str]:
    """The command line that starts the gateway of a home."""
    folders = ["--config-dir", str(home.config_dir), "--data-dir", str(home.data_dir)]
    return [python, "-m", "carapax", "serve", *folders]


def systemd(home: Home, command: Sequence[str]) -> str:
    """The unit of a user's systemd; systemd.service(5), systemd.exec(5)."""
    return _SYSTEMD.format(home=_specifiers(written_out(str(home.config_dir))), command=" ".join(map(_quoted, command)))


def launchd(label: str, home: Home, command: Sequence[str]) -> bytes:
    """The property list of a user's launchd; launchd.plist(5)."""
    log = str(log_of(home))
    return plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": 30,
            "ProcessType": "Interactive",
            "Umask": 0o077,
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
    )


def log_of(home: Home) -> Path:
    """Where launchd writes what the gateway prints."""
    return home.data_dir / "logs" / "daemon.log"


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    written = _CONTROLS.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0])), escaped)
    return f'"{_specifiers(written).replace("$", "$$")}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
