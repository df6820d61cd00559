"""The rules of the configuration."""

from typing import Any

import msgspec
import pytest

from carapax.config import RuleConfig
from carapax.contracts import Asking
from carapax.messages import Origin
from carapax.policy.rules import Rules


def decided(
    rules: list[RuleConfig], tool: str = "shell", *, agent: str = "main", tainted: bool = False, **arguments: Any
) -> str:
    """The verdict, and the number of the rule that decided; empty when none did."""
    origins = (Origin("web", "https://evil.example"),) if tainted else ()
    asking = Asking(agent, "s", "api", tool, arguments, frozenset({"write"}), None, origins)
    decision = Rules(rules).judge(asking)
    return f"{decision.verdict} {decision.rule.removeprefix('policy.rules.')}" if decision else ""


def deny(*commands: str) -> RuleConfig:
    return RuleConfig("deny", commands=commands)


def allow(*commands: str) -> RuleConfig:
    return RuleConfig("allow", commands=commands)


def ask(*commands: str) -> RuleConfig:
    return RuleConfig("ask", commands=commands)


@pytest.mark.parametrize(
    ("rules", "command", "verdict"),
    [
        ([deny("rm")], "ls; rm a", "deny 1"),
        ([deny("rm")], "echo $(rm a)", "deny 1"),
        ([deny("rm")], "find . -exec /bin/rm {} +", "deny 1"),
        ([deny("rm")], "bash -c 'rm a; $b'", "deny 1"),
        ([deny("rm")], "ls -l", ""),
        ([deny("rm")], "$a b", "ask 1"),
        ([deny("rm")], "ls 'a", "ask 1"),
        ([deny("rm")], "make", "ask 1"),
        ([deny("git push")], "git $a", "ask 1"),
        ([deny("rm"), allow("make **")], "make all", "allow 2"),
        ([deny("rm"), allow("make **")], "make all; rm a", "deny 1"),
        ([deny("rm"), allow("make **")], "make all; $a", "ask 1"),
        ([allow("git **"), ask("git push")], "git push", "ask 2"),
        ([allow("git **"), deny("git push"), ask("git push")], "git push", "deny 2"),
        ([allow("git **"), ask("git push")], "git log", "allow 1"),
        ([allow("git status")], "git status", "allow 1"),
        ([allow("git status")], "git status && rm a", ""),
        ([allow("git status")], "git status; $a", ""),
        ([allow("git status")], "git status > a", ""),
        ([allow("git status", "> a")], "git status > a", "allow 1"),
        ([allow("git status"), allow("wc **")], "timeout 5 git status | wc -l", "allow 1"),
        ([allow("git status")], "PATH=. git status", ""),
        ([allow("git status")], "sudo git status", ""),
        ([allow("git status")], "bash -lc 'git status'", ""),
        ([allow("git status")], "git() { git status; }; git status", "allow 1"),
        ([allow("**")], "ls; make; echo a > b", ""),
        ([allow("**")], "ls '", ""),
        ([RuleConfig("allow", tool="shell")], "anything '", "allow 1"),
        ([RuleConfig("allow", tool="shell"), deny("rm")], "anything '", "ask 2"),
        ([RuleConfig("deny", tool="shell"), allow("ls")], "ls", "deny 1"),
        ([allow("ls")], "", ""),
    ],
)
def test_deny_goes_before_ask_before_allow(rules: list[RuleConfig], command: str, verdict: str) -> None:
    assert decided(rules, command=command) == verdict


@pytest.mark.parametrize(
    ("rule", "given", "verdict"),
    [
        (RuleConfig("deny", tool="web_*"), {"tool": "web_fetch"}, "deny 1"),
        (RuleConfig("deny", tool="web_*"), {"tool": "read_file"}, ""),
        (RuleConfig("deny", agents=("a*", "b")), {"agent": "ada"}, "deny 1"),
        (RuleConfig("deny", agents=("a*", "b")), {"agent": "main"}, ""),
        (RuleConfig("deny", tainted=True), {"tainted": True}, "deny 1"),
        (RuleConfig("deny", tainted=True), {}, ""),
        (RuleConfig("allow", tainted=False), {}, "allow 1"),
        (RuleConfig("allow", tainted=False), {"tainted": True}, ""),
        (RuleConfig("deny", commands=("rm",)), {"tool": "read_file"}, ""),
        (RuleConfig("allow", commands=("rm",)), {"tool": "read_file"}, ""),
    ],
)
def test_a_rule_is_about_what_fits_all_it_says(rule: RuleConfig, given: dict[str, Any], verdict: str) -> None:
    assert decided([rule], **given) == verdict


@pytest.mark.parametrize(
    ("pattern", "value", "allowed", "denied"),
    [
        ("docs/*", "docs/a", True, True),
        ("docs/*", "./docs//a/b", True, True),
        ("docs/*", "/workspace/docs/a", True, True),
        ("docs/*", "docs/../a", False, True),
        ("docs/*", "../docs/a", False, False),
        ("*", "../a", False, True),
        ("docs/*", "/workspace//docs/a", True, True),
        ("docs/*", "../workspace/docs/a", False, True),
        ("docs/*", "//workspace/docs/a", False, True),
        ("docs/*", "/home/ann/workspaces/main/docs/a", False, True),
        (".env", "a/../.env", True, True),
        (".env", ".ENV", False, True),
        ("a?[b]", "a?[b]", True, True),
        ("a?[b]", "axb", False, False),
        ("true", True, True, True),
        ("3", 3, True, True),
        ("a", ["a", "a"], True, True),
        ("a", ["a", "b"], False, True),
        ("a", [], False, False),
        ("*", None, False, False),
        ("*.example.com", "https://a.example.com/b", True, True),
        ("*.example.com", "https://evil.org/a.example.com", False, False),
        ("example.com", "HTTPS://EXAMPLE.com.:443/a", True, True),
        ("example.com", "https://example.com:8443/a", False, True),
        ("example.com", "https://example.com@evil.org/", False, False),
        ("example.com", "https://user@example.com/", False, True),
        ("https://example.com/api/*", "https://example.com/api/a?b", True, True),
        ("https://example.com/api/*", "https://example.com/api/../b", False, False),
        ("https://example.com/api/*", "https://example.com/api/%2e%2e/b", False, True),
        ("https://example.com/api/*", "http://example.com/api/a", False, False),
        ("https://example.com", "https://example.com/any", True, True),
        ("https://*/x", "https://a.b/c/x", False, False),
        ("bücher.example", "https://bücher.example/", False, False),
        ("xn--bcher-kva.example", "https://bücher.example/", True, True),
        ("a", "https://[::1/", False, True),
    ],
)
def test_paths_and_addresses_are_what_they_lead_to(pattern: str, value: object, allowed: bool, denied: bool) -> None:
    arguments = {"target": pattern}
    verdicts = (
        decided([RuleConfig("allow", arguments=arguments)], tool="post", target=value) == "allow 1",
        decided([RuleConfig("deny", arguments=arguments)], tool="post", target=value) == "deny 1",
    )
    assert verdicts == (allowed, denied)


def test_the_reason_is_the_rule_s_own_or_says_what_it_is_about() -> None:
    asking = Asking("main", "s", "api", "shell", {"command": "cd a; rm b"}, frozenset(), None)
    told = Rules([RuleConfig("deny", commands=("rm",), reason="nothing is removed here")]).judge(asking)
    assert told is not None and told.reason == "nothing is removed here"
    told = Rules([deny("rm")]).judge(asking)
    assert told is not None and told.reason == "it runs rm b, which a rule names: rm"


def test_rules_are_read_as_they_are_written() -> None:
    table = {"verdict": "allow", "commands": ["git log **"], "tainted": False, "agents": ["main"], "reason": "mine"}
    rule = msgspec.convert(table, RuleConfig)
    assert rule == RuleConfig("allow", commands=("git log **",), tainted=False, agents=("main",), reason="mine")
