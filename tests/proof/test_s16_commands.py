"""S16: rules about commands can neither be dodged nor widened. What runs is found out by running it."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carapax.commandline import parse
from carapax.config import RuleConfig
from carapax.contracts import Asking, Verdict
from carapax.policy.policy import Policy
from carapax.policy.rule_of_two import RuleOfTwo
from carapax.policy.rules import Rules
from carapax.tools.shell import EXTENSION
from tests.corpora.commands import DENIED, HONEST, LEAST, lines
from tests.proof.figures import Figure, bound, shown

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None and not os.environ.get("CI"), reason="bubblewrap is not installed"
)
NAMES = tuple(name for name, _ in DENIED)
DENY = (RuleConfig("deny", commands=NAMES),)
# As wide as somebody in a hurry would write it, but for what runs others by its nature.
WIDE = (
    *(
        "ls **",
        "cat **",
        "echo **",
        "printf **",
        "true **",
        "test **",
        "[ **",
        "[[ **",
        "cd **",
        "find **",
        "sort **",
        "wc **",
    ),
    *(
        "grep **",
        "head **",
        "rev **",
        "base64 **",
        "read **",
        "set **",
        "declare **",
        "export **",
        "wait **",
        "trap **",
        "cp **",
    ),
    *("ln **", "chmod **", "> **", "< **", "exec **", "break **", ": **"),
)
ALLOW = (RuleConfig("allow", commands=WIDE),)
# Each line in a folder of its own; what the denied programs leave behind is kept by its number.
DRIVER = """
for line in /lines/*; do
    number=${line##*/}
    mkdir "/work/$number" && cd "/work/$number" || exit 9
    : > /record/log
    timeout -k 1 5 bash -c "$(cat "$line")" < /dev/null > /dev/null 2>&1
    mv /record/log "/record/$number"
done
"""
Decide = Callable[[str], Verdict]


def ran(folder: Path, texts: list[str]) -> list[set[str]]:
    """Which of the denied programs bash really runs for each line."""
    for name in ("lines", "record", "stubs", "work"):
        (folder / name).mkdir()
    for number, text in enumerate(texts):
        (folder / "lines" / f"{number:04}").write_bytes(text.encode())
    for name in NAMES:
        stub = folder / "stubs" / name
        stub.write_text(f"#!/bin/sh\necho {name} >> /record/log\n")
        stub.chmod(0o755)
    subprocess.run([*_bwrap(folder), "bash", "-c", DRIVER], check=True, capture_output=True, timeout=200)
    return [set((folder / "record" / f"{number:04}").read_text().split()) for number in range(len(texts))]


def _bwrap(folder: Path) -> Iterator[str]:
    """A sandbox in which the denied programs only leave their name, wherever they are looked for."""
    yield from ("bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv")
    yield from ("--setenv", "PATH", "/stubs:/usr/bin:/usr/sbin", "--setenv", "HOME", "/tmp")
    for path in (
        "/usr",
        *(path for path in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc") if Path(path).exists()),
    ):
        if Path(path).is_symlink():
            yield from ("--symlink", str(Path(path).readlink()), path)
        else:
            yield from ("--ro-bind", path, path)
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")
    for name in ("lines", "stubs"):
        yield from ("--ro-bind", str(folder / name), f"/{name}")
    for name in ("record", "work"):
        yield from ("--bind", str(folder / name), f"/{name}")
    for name in NAMES:
        for place in ("/usr/bin", "/usr/sbin"):
            if (Path(place) / name).is_file() and not (Path(place) / name).is_symlink():
                yield from ("--ro-bind", str(folder / "stubs" / name), f"{place}/{name}")


def by(rules: tuple[RuleConfig, ...]) -> Decide:
    """What is decided about a line in a session that has read only its owner's words."""
    policy = Policy([Rules(rules), RuleOfTwo()])

    def decide(text: str) -> Verdict:
        arguments = {"command": text}
        effects = EXTENSION.effects_of(arguments)
        return policy.decide(Asking("main", "s", "api", "shell", arguments, effects, ("command",))).verdict

    return decide


def allowed_only(rules: tuple[RuleConfig, ...]) -> Decide:
    """What rules allow, where everything that they leave open is asked about."""
    approver = Rules(rules)

    def decide(text: str) -> Verdict:
        asking = Asking("main", "s", "api", "shell", {"command": text}, frozenset({"execute"}), ("command",))
        decision = approver.judge(asking)
        return decision.verdict if decision else "ask"

    return decide


def reads_only(text: str) -> Verdict:
    return "allow" if parse(text).only_reads else "ask"


def first_word(text: str) -> Verdict:
    """A guard as it is often written: it looks at the first word."""
    return "deny" if text.split()[0] in NAMES else "allow"


def slipped(decide: Decide, texts: list[str], truth: list[set[str]]) -> list[str]:
    """The lines that may run, and run a denied program."""
    return [text for text, names in zip(texts, truth, strict=True) if names and decide(text) == "allow"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[set[str]]]:
    texts = [text for text, _ in lines()]
    return texts, ran(tmp_path_factory.mktemp("commands"), texts)


def test_no_disguise_gets_a_denied_command_past_rules(found: tuple[list[str], list[set[str]]]) -> None:
    texts, truth = found
    running = sum(map(bool, truth))
    assert len(texts) >= LEAST and running >= 0.9 * LEAST, [
        text for text, names in zip(texts, truth, strict=True) if not names
    ]
    past_deny = slipped(by(DENY), texts, truth)
    widened = slipped(allowed_only(ALLOW), texts, truth)
    reading = slipped(reads_only, texts, truth)
    held = [text for text in HONEST if by(DENY)(text) == "allow"]
    what = f"rules: lines that run a denied command, of {len(texts)}"
    figures = [
        shown(Figure("S16", f"{what}, past deny rules", bound(len(past_deny), running), "0", not past_deny)),
        shown(Figure("S16", f"{what}, by allow rules", bound(len(widened), running), "0", not widened)),
        shown(Figure("S16", f"{what}, taken for reading", bound(len(reading), running), "0", not reading)),
        shown(
            Figure(
                "S16",
                "rules: honest lines that need no question under deny rules",
                f"{len(held)} of {len(HONEST)}",
                "95 %",
                len(held) >= 0.95 * len(HONEST),
            )
        ),
    ]
    assert all(figure.met for figure in figures), (past_deny, widened, reading, set(HONEST) - set(held))


def test_a_guard_that_looks_at_the_first_word_is_caught(found: tuple[list[str], list[set[str]]]) -> None:
    assert len(slipped(first_word, *found)) > LEAST / 2


def test_a_table_that_takes_an_interpreter_for_a_reader_is_caught(
    found: tuple[list[str], list[set[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "carapax.commandline.line.starts_no_other"
    monkeypatch.setattr(table, lambda name, told: True)
    parse.cache_clear()
    try:
        assert slipped(by(DENY), *found)
    finally:
        parse.cache_clear()
