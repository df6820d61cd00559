"""The rules of the configuration: deny before ask before allow, and what cannot be told is asked."""

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from carapax.commandline import Command, CommandLine, Pattern, parse
from carapax.config import RuleConfig
from carapax.contracts import Asking, Decision, Verdict

_ORDER: tuple[Verdict, ...] = ("deny", "ask", "allow")
_NO_LINE = CommandLine(())
_WORKSPACE = "/workspace/"
_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_DOUBTFUL = re.compile(r"[\s\\]|%2e|%2f|%5c", re.I)


class Rule:
    """One rule. `place` says where it stands in the configuration. Raises ConfigError for a pattern that is none."""

    def __init__(self, rule: RuleConfig, place: str) -> None:
        self.verdict: Verdict = rule.verdict
        self.place = place
        self.reason = rule.reason
        self.commands = tuple(map(Pattern, rule.commands))
        self._tool = _glob(rule.tool)
        self._agents = tuple(map(_glob, rule.agents))
        self._arguments = tuple(rule.arguments.items())
        self._tainted = rule.tainted
        self._always = rule == RuleConfig(rule.verdict, commands=rule.commands, reason=rule.reason)

    def is_about(self, asking: Asking) -> bool:
        """Whether it is about such a call, its commands apart."""
        return self._always or (
            self._tainted in (None, bool(asking.origins))
            and self._tool.fullmatch(asking.tool) is not None
            and any(agent.fullmatch(asking.agent) for agent in self._agents)
            and all(self._fits(pattern, asking.arguments.get(name)) for name, pattern in self._arguments)
        )

    def decision(self, why: str) -> Decision:
        return Decision(self.verdict, self.place, self.reason or why)

    def _fits(self, pattern: str, value: object) -> bool:
        """To be allowed all of a list must fit, to be asked or denied any of it; and an address or a path is what it
        leads to, but one that leads out of its folder is never allowed."""
        values = value if isinstance(value, list | tuple) else [value]
        fitting = (_argument_fits(pattern, item, strictly=self.verdict == "allow") for item in values)
        return bool(values) and (all(fitting) if self.verdict == "allow" else any(fitting))


class _Named(NamedTuple):
    rule: Rule
    pattern: Pattern


class _Patterns:
    """The patterns of rules, by the name of the program that each is about."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._by_name: dict[str, list[_Named]] = {}
        for rule in rules:
            for pattern in rule.commands:
                self._by_name.setdefault(pattern.name, []).append(_Named(rule, pattern))
        self._of_any = self._by_name.pop("", [])

    def about(self, command: Command, rules: Collection[Rule]) -> Iterator[_Named]:
        """Those of these rules that can be about the command."""
        found = self._by_name.get(command.words[0].text.rpartition("/")[2].casefold(), ())
        return (named for named in (*found, *self._of_any) if named.rule in rules)


class Rules:
    """An Approver: the rules of the configuration."""

    def __init__(self, rules: Sequence[RuleConfig]) -> None:
        self._rules = [Rule(rule, f"policy.rules.{number}") for number, rule in enumerate(rules, 1)]
        self._patterns = {verdict: _Patterns(_only(verdict, self._rules)) for verdict in _ORDER}

    def judge(self, asking: Asking) -> Decision | None:
        about = [rule for rule in self._rules if rule.is_about(asking)]
        if not about:
            return None
        command = asking.arguments.get("command")
        line = parse(command) if isinstance(command, str) else _NO_LINE
        return (
            self._forbidden("deny", about, line)
            or self._forbidden("ask", about, line)
            or self._permitted(about, line, self._covering(about, line))
        )

    def _forbidden(self, verdict: Verdict, about: Sequence[Rule], line: CommandLine) -> Decision | None:
        """What a rule says that is about the call as a whole, or about one of its commands for sure."""
        rules = _only(verdict, about)
        for rule in rules:
            if not rule.commands:
                return rule.decision(f"a rule says {verdict}")
        if rules:
            for command in line.commands:
                for rule, pattern in self._patterns[verdict].about(command, rules):
                    if pattern.meant(command) == "yes":
                        return rule.decision(f"it runs {_shortened(command)}, which a rule names: {pattern.text}")
        return None

    def _covering(self, about: Sequence[Rule], line: CommandLine) -> dict[int, Rule]:
        """By which rule each command is allowed, by its number. What only wraps others needs none."""
        rules = _only("allow", about)
        found: dict[int, Rule] = {}
        for index, command in enumerate(line.commands if rules else ()):
            if command.kind != "wrapper":
                for rule, pattern in self._patterns["allow"].about(command, rules):
                    if pattern.covers(command):
                        found[index] = rule
                        break
        return found

    def _permitted(self, about: Sequence[Rule], line: CommandLine, covering: Mapping[int, Rule]) -> Decision | None:
        """To ask, where a rule may be about something in the line, but that cannot be told; else what rules allow."""
        for verdict in ("deny", "ask"):
            if (rules := _only(verdict, about)) and (doubt := self._doubted(verdict, rules, line, covering)):
                return doubt
        for rule in _only("allow", about):
            if not rule.commands:
                return rule.decision("a rule allows it")
        needed = sum(command.kind != "wrapper" for command in line.commands)
        if line.unclear or not covering or len(covering) < needed:
            return None
        return next(iter(covering.values())).decision("rules allow each of its commands")

    def _doubted(
        self, verdict: Verdict, rules: Sequence[Rule], line: CommandLine, covering: Mapping[int, Rule]
    ) -> Decision | None:
        place = rules[0].place
        if line.unclear:
            return Decision("ask", place, f"it cannot be told all that it runs: {line.unclear[0]}")
        for index, command in enumerate(line.commands):
            if command.kind == "opaque" and index not in covering:
                return Decision("ask", place, f"it cannot be told all that it runs: {command.why}")
            for rule, pattern in self._patterns[verdict].about(command, rules):
                if pattern.meant(command) == "maybe":
                    return Decision(
                        "ask", rule.place, f"it may be what a rule names, {pattern.text}: {_shortened(command)}"
                    )
        return None


def _only(verdict: Verdict, rules: Sequence[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.verdict == verdict]


def _shortened(command: Command) -> str:
    text = str(command)
    return text if len(text) <= 80 else text[:79] + "…"


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    """Only `*` has a meaning of its own."""
    return re.compile(translate(re.sub(r"([?\[])", r"[\1]", pattern)))


def _argument_fits(pattern: str, value: object, *, strictly: bool) -> bool:
    if value is None:
        return False
    text = value if isinstance(value, str) else json.dumps(value)
    if _ADDRESS.match(text):
        return _address_fits(pattern, text, strictly=strictly)
    path = posixpath.normpath(text.removeprefix(_WORKSPACE).lstrip("/") if text.startswith(_WORKSPACE) else text)
    whole = _glob(pattern)
    if strictly:
        leads_out = path == ".." or path.startswith("../")
        return not leads_out and whole.fullmatch(path) is not None
    wanted = _glob(pattern.casefold())
    return any(wanted.fullmatch(form.casefold()) for form in (text, path, *_beneath(path)))


def _beneath(path: str) -> Iterator[str]:
    """What a path that begins outside may be called in the workspace, wherever that is kept."""
    yield posixpath.normpath(posixpath.join(_WORKSPACE, path)).removeprefix(_WORKSPACE)
    if path.startswith("/"):
        parts = path.split("/")
        yield from ("/".join(parts[at:]) for at in range(1, len(parts)))


def _address_fits(pattern: str, text: str, *, strictly: bool) -> bool:
    """A pattern with `://` is about scheme, host and the rest, each by itself; one without is about the host."""
    try:
        parts = urlsplit(text.strip())
        host = (parts.hostname or "").rstrip(".").encode("idna").decode() if parts.hostname else ""
        port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    except (ValueError, UnicodeError):
        return not strictly
    if strictly and (not host or parts.username is not None or _DOUBTFUL.search(text)):
        return False
    scheme, separator, rest = pattern.partition("://")
    wanted, slash, after = (rest if separator else pattern).partition("/")
    found = host + port if ":" in wanted or strictly else host
    if not _glob(wanted.lower()).fullmatch(found):
        return False
    if not separator:
        return True
    path = posixpath.normpath(parts.path or "/") if parts.path not in ("", "/") else "/"
    path += "/" if parts.path.endswith("/") and path != "/" else ""
    whole = path + (f"?{parts.query}" if parts.query else "")
    return _glob(scheme.lower()).fullmatch(parts.scheme) is not None and (
        not slash or _glob("/" + after).fullmatch(whole) is not None
    )
