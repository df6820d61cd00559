from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from carapax.contracts import Asking, Decision, Effect
from carapax.events import Grant
from carapax.policy.grants import GrantRule, covers, offers, site
from carapax.store.grants import Granted, Grants
from carapax.store.sqlite import open_database
from tests.agent.running import FunctionTool
from tests.running import run

SHELL = FunctionTool("shell", str, frozenset({"read", "write", "execute"}), authority=("command",))
SEND = FunctionTool("send", str, frozenset({"message"}), authority=("to",))
FETCH = FunctionTool("fetch", str, frozenset({"network"}), authority=("url",))
PAY = FunctionTool("pay", str, frozenset({"spend"}), authority=None)


def asking(tool: str, files: Mapping[str, str] | None = None, **arguments: Any) -> Asking:
    effects: frozenset[Effect] = frozenset({"execute"})
    return Asking("main", "s", "api", tool, arguments, effects, None, files=files or {})


def offered(tool: FunctionTool, files: Mapping[str, str] | None = None, **arguments: Any) -> dict[str, Grant]:
    return {offer.scope: offer.grant for offer in offers(tool, arguments, files or {})}


@pytest.mark.parametrize(
    "command",
    [
        "git status; rm -rf ~",
        "git status --no-pager -c core.pager=evil",
        "git status ",
        " git status",
        "git  status",
        "git status\nrm -rf ~",
        "git statu",
        "git statusx",
        "/tmp/git status",
        "./git status",
        "GIT status",
        "git 'status'",
        "PAGER=evil git status",
    ],
)
def test_a_grant_for_a_command_covers_no_command_that_looks_like_it(command: str) -> None:
    for grant in offered(SHELL, command="git status").values():
        assert covers(grant, asking("shell", command="git status", timeout_s=5))
        assert not covers(grant, asking("shell", command=command))


@pytest.mark.parametrize(
    "command",
    [
        *(
            "bash x",
            "sh -c ls",
            "python3 x.py",
            "python3.11 x.py",
            "perl -e 1",
            "node x",
            "env ls",
            "xargs ls",
            "sudo ls",
        ),
        *(
            "ssh host ls",
            "find . -exec rm {} +",
            "make",
            "./run.sh",
            "sub/run",
            "A=1 ls",
            "ls; ls",
            "ls | cat",
            "ls > x",
        ),
        *("ls $HOME", "ls `pwd`", "ls *", "ls 'a b'", "ls\nls", "", "ls ~", "busybox ls", "nice ls", "Python3 x"),
    ],
)
def test_what_runs_something_else_or_is_not_plain_is_never_allowed_for_good(command: str) -> None:
    assert "always" not in offered(SHELL, command=command)


def test_what_a_command_finds_only_when_it_runs_is_allowed_once_only() -> None:
    assert offered(SHELL, command="cat *.txt") == offered(SHELL, command="sh $FILE") == {}


def test_a_grant_for_the_session_is_bound_to_the_files_that_are_named() -> None:
    grants = offered(SHELL, {"run.sh": "1"}, command="sh run.sh")
    assert list(grants) == ["session"]
    assert covers(grants["session"], asking("shell", {"run.sh": "1"}, command="sh run.sh"))
    for files in ({"run.sh": "2"}, {}, {"run.sh": "1", "other": "3"}):
        assert not covers(grants["session"], asking("shell", files, command="sh run.sh"))


def test_a_grant_is_for_the_arguments_that_decide() -> None:
    for grant in offered(SEND, to="bob", text="hi").values():
        assert covers(grant, asking("send", to="bob", text="more"))
        assert not any(
            covers(grant, other) for other in (asking("send", to="eve"), asking("send"), asking("post", to="bob"))
        )


def test_a_tool_that_does_not_say_what_decides_is_allowed_with_all_its_arguments_only() -> None:
    for grant in offered(PAY, amount=1).values():
        assert covers(grant, asking("pay", amount=1))
        for other in ({"amount": True}, {"amount": 1.0}, {"amount": "1"}, {}, {"amount": 1, "to": "eve"}):
            assert not covers(grant, asking("pay", **other))


def test_an_address_is_allowed_for_good_with_its_site() -> None:
    grant = offered(FETCH, url="https://docs.example/a")["always"]
    assert (grant.arguments, grant.site) == ({}, "https://docs.example:443")
    for url in ("https://docs.example", "https://DOCS.example:443/b?c#d"):
        assert covers(grant, asking("fetch", url=url))
    others = [
        "http://docs.example/",
        "https://docs.example:444/",
        "https://docs.example.evil/",
        "https://evil/docs.example",
        "https://docs.example@evil/",
        "https://docs.example\\@evil/",
        "https://docs.example\t.evil/",
        "//docs.example/",
        "https:docs.example",
        "https://docs.exаmple/",
        "https://docs.example%2eevil/",
    ]
    assert [url for url in others if covers(grant, asking("fetch", url=url))] == []
    assert not covers(grant, asking("fetch", url=["https://docs.example/"])) and not covers(grant, asking("fetch"))
    exact = offered(FETCH, url="https://docs.example/a")["session"]
    assert not covers(exact, asking("fetch", url="https://docs.example/b"))


@given(st.text())
def test_only_what_is_surely_an_address_has_a_site(url: str) -> None:
    assert site(url) == "" or url.lower().startswith(("http://", "https://"))


def test_an_offer_says_what_it_covers() -> None:
    told = {offer.scope: offer.text for offer in offers(FETCH, {"url": "https://a.example/x\u202e"}, {})}
    assert told["session"] == "fetch, url: https://a.example/x\\u202e; whatever else it is told"
    (_, site_wide) = offers(FETCH, {"url": "https://a.example/x"}, {})
    assert site_wide.text == "fetch, any url at https://a.example:443; whatever else it is told"
    assert offers(PAY, {}, {})[0].text == "pay, told nothing"
    assert offers(SHELL, {"command": "sh a b"}, {"a": "1", "b": "2"})[0].text == (
        "shell, command: sh a b; whatever else it is told; while a, b stays as it is"
    )


def test_a_decision_by_a_grant_says_who_gave_it_and_when(tmp_path: Path) -> None:
    async def scenario() -> None:
        database = await open_database(tmp_path / "a.db")
        grants = Grants(database)
        grants.take(Granted("g", "main", Grant("send", {"to": "bob"}), "ann", 1_763_734_800.0))
        judge = GrantRule(grants).judge
        assert judge(asking("send", to="bob")) == Decision("allow", "grant", "ann allowed it at 2025-11-21 14:20 UTC")
        assert judge(asking("send", to="eve")) is None
        other = Asking("other", "s", "api", "send", {"to": "bob"}, frozenset(), None)
        assert judge(other) is None
        given = Granted("h", "main", Grant("send", {"to": "eve"}), "ann", 1_763_734_800.0)
        assert judge(replace(asking("send", to="eve"), grants=(given,))) is not None
        assert judge(replace(other, arguments={"to": "eve"}, grants=(given,))) is None  # of a session's former agent
        await database.close()

    run(scenario())


def test_a_grant_says_nothing_of_whom_else_a_call_touches() -> None:
    send = FunctionTool("send", str, frozenset({"message"}), authority=("to", "cc"))
    grant = offered(send, to="ann")["session"]
    call = replace(asking("send", to="ann", text="hi"), authority=("to", "cc"))
    assert covers(grant, call)
    assert covers(grant, replace(call, arguments={"to": "ann", "cc": []}))
    assert not covers(grant, replace(call, arguments={"to": "ann", "cc": ["eve"]}))
    assert covers(offered(FETCH, url="https://a.example/b")["always"], asking("fetch", url="https://a.example/c"))
