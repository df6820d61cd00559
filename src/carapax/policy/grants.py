"""What people have allowed beforehand: which calls a yes covers besides the one it was given to."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from carapax.contracts import Asking, Decision, Tool
from carapax.events import Grant, Offer
from carapax.policy.legible import legible
from carapax.policy.provenance import leaves
from carapax.store.grants import Grants

NAME = "grant"
_PLAIN = re.compile(r"(\w[\w.+-]*)(?: [\w./:@%+,=-]+)*", re.ASCII)
_MOVING = re.compile(r"[$`*?\[{~]")
_SITE = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|\Z)", re.IGNORECASE)
# What runs something else than itself: what it is told, or what a file says.
_RUN_OTHERS = """
    sh bash dash ash zsh ksh mksh fish csh tcsh busybox toybox python pypy perl ruby node nodejs deno bun php lua luajit
    tclsh wish expect rscript r julia ghci runghc java jshell scala groovy kotlin awk gawk mawk nawk sed ed ex vi vim
    nvim emacs nano less more man env xargs sudo su doas ssh scp sftp rsync find fd parallel nohup timeout nice ionice
    time watch strace ltrace gdb lldb make gmake ninja cmake just task npm npx yarn pnpm pip pipx uv uvx poetry cargo
    go gradle mvn ant docker podman kubectl eval exec source command builtin script screen tmux at batch crontab
    systemd-run chroot unshare nsenter setpriv runuser flock stdbuf setsid chrt taskset start-stop-daemon pytest tox
    nox ld gcc cc g++ clang tar zip
"""
_RUNNERS = frozenset(_RUN_OTHERS.split())
_encode = msgspec.json.Encoder(order="deterministic").encode


class GrantRule:
    """Allows what a person has allowed before: in the session, or for all sessions of the agent."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def judge(self, asking: Asking) -> Decision | None:
        for granted in (*asking.grants, *self._grants.of(asking.agent, asking.tool)):
            if granted.agent == asking.agent and covers(granted.grant, asking):
                at = f"{datetime.fromtimestamp(granted.at, UTC):%Y-%m-%d %H:%M} UTC"
                return Decision("allow", NAME, f"{granted.by} allowed it at {at}")
        return None


def covers(grant: Grant, asking: Asking) -> bool:
    """Whether a call is one of those that were allowed."""
    return (
        grant.tool == asking.tool
        and all(_is(value, asking.arguments, name) for name, value in grant.arguments.items())
        and (not grant.whole or set(asking.arguments) == set(grant.arguments))
        and not any(_is_more(name, asking.arguments.get(name), grant) for name in asking.authority or ())
        and (not grant.site or site(asking.arguments.get("url")) == grant.site)
        and (grant.files is None or dict(asking.files) == grant.files)
    )


def offers(tool: Tool, arguments: Mapping[str, Any], files: Mapping[str, str]) -> tuple[Offer, ...]:
    """What a yes to this call may be given for besides it."""
    decisive = {name: arguments[name] for name in _decisive(tool, arguments)}
    whole = tool.authority is None
    command = arguments.get("command") if "execute" in tool.effects else None
    found: list[Offer] = []
    if "execute" not in tool.effects or (isinstance(command, str) and not _MOVING.search(command)):
        grant = Grant(tool.name, decisive, whole, files=dict(files))
        found.append(Offer("session", told(grant), grant))
    if "execute" in tool.effects:
        if isinstance(command, str) and _is_steady(command) and not files:
            grant = Grant(tool.name, decisive, whole)
            found.append(Offer("always", told(grant), grant))
    elif not files:
        where = site(arguments.get("url"))
        rest = {name: value for name, value in decisive.items() if name != "url"} if where else decisive
        grant = Grant(tool.name, rest, whole and not where, where)
        found.append(Offer("always", told(grant), grant))
    return tuple(found)


def site(url: object) -> str:
    """Scheme, host and port of an address; empty for what is none, or what might be read in more than one way."""
    match = _SITE.match(url) if isinstance(url, str) and url.isascii() and "\\" not in url else None
    if match is None:
        return ""
    scheme, host = match[1].lower(), match[2].lower().rstrip(".")
    port = match[3] or ("443" if scheme == "https" else "80")
    try:
        is_same = (urlsplit(str(url)).hostname or "").rstrip(".") == host.strip("[]")
    except ValueError:
        return ""
    return f"{scheme}://{host}:{int(port)}" if host and is_same else ""


def told(grant: Grant) -> str:
    """Which calls a grant covers, in words."""
    words = [f"{legible(name)}: {legible(value)}" for name, value in grant.arguments.items()]
    words += [f"any url at {grant.site}"] if grant.site else []
    words += ["whatever else it is told"] if not grant.whole else [] if words else ["told nothing"]
    words += [f"while {', '.join(map(legible, grant.files))} stays as it is"] if grant.files else []
    return f"{legible(grant.tool)}, {'; '.join(words)}"


def _decisive(tool: Tool, arguments: Mapping[str, Any]) -> list[str]:
    """The arguments that decide who or what is touched; one that is absent decides nothing."""
    return [name for name in arguments if tool.authority is None or name in tool.authority]


def _is_steady(command: str) -> bool:
    """Whether it is a single program of the system by its bare name, with words that mean what they say, and that runs
    no other."""
    plain = _PLAIN.fullmatch(command)
    return plain is not None and re.sub(r"[0-9.-]+$", "", plain[1].lower()) not in _RUNNERS


def _is_more(name: str, value: Any, grant: Grant) -> bool:
    """Whether an argument touches somebody or something that the grant says nothing of."""
    return name not in grant.arguments and not (grant.site and name == "url") and any(True for _ in leaves(value))


def _is(value: Any, arguments: Mapping[str, Any], name: str) -> bool:
    """Whether an argument is just this; to JSON true is no number."""
    given = arguments.get(name)
    if isinstance(value, str):
        return isinstance(given, str) and given == value
    return name in arguments and _encode(given) == _encode(value)
