"""`carapax policy test`."""

from carapax.config import Home
from tests.cli.conftest import Run

RULES = """
[[policy.rules]]
verdict = "deny"
commands = ["rm"]
reason = "nothing is removed"

[[policy.rules]]
verdict = "allow"
commands = ["git status"]
"""


def test_a_command_line_is_taken_apart_and_decided(run: Run, home: Home) -> None:
    with home.config_file.open("a") as file:
        file.write(RULES)
    done = run("policy", "test", "git status | timeout 5 sh -c 'rm a'")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "runs: git status (git may start other programs)",
        "runs: timeout 5 sh -c rm a (starts what follows)",
        "runs: sh -c rm a (starts what follows)",
        "runs: rm a",
        "effects: execute, read, write",
        "deny: nothing is removed (policy.rules.1)",
    ]
    assert "allow: rules allow each of its commands (policy.rules.2)" in run("policy", "test", "git status").output
    assert "unclear: a quote is not closed\n" in run("policy", "test", "ls 'a").output


def test_a_call_of_any_tool_is_decided(run: Run) -> None:
    arguments = ("--tool", "write_file", "--arguments", '{"path": "a", "content": "b"}')
    assert "allow: " in run("policy", "test", *arguments).output
    done = run("policy", "test", *arguments, "--tainted")
    assert "effects: destroy, write\nask: " in done.output
    assert "https://example.org" in done.output


def test_what_cannot_be_tried_is_refused(run: Run) -> None:
    assert "give either a command line or --arguments" in run("policy", "test").output
    assert "--arguments is not JSON" in run("policy", "test", "--arguments", "{").output
    assert "--arguments is not a JSON object" in run("policy", "test", "--arguments", "[]").output
    assert "there is no tool 'shel'" in run("policy", "test", "--tool", "shel", "ls").output
    assert "there is no agent 'a'" in run("policy", "test", "--agent", "a", "ls").output


def test_a_bad_rule_is_refused_with_its_place(run: Run, home: Home) -> None:
    with home.config_file.open("a") as file:
        file.write(RULES + '[[policy.rules]]\nverdict = "alow"\n')
    done = run("policy", "test", "ls")
    assert done.exit_code == 2
    assert 'policy.rules.3.verdict: expected "allow" or "ask" or "deny"' in done.output
