from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from carapax.contracts import Asking, Effect
from carapax.messages import Origin
from carapax.policy.rule_of_two import MOST_FOLLOWED, RuleOfTwo

ASKING = Asking("main", "s", "api", "post", {}, frozenset({"message"}), None, (Origin("web", "https://evil.example"),))


def test_untrusted_words_private_data_and_a_change_need_a_person() -> None:
    decision = RuleOfTwo().judge(ASKING)
    assert decision.verdict == "ask"
    assert "https://evil.example" in decision.reason


@pytest.mark.parametrize("change", [{"origins": ()}, {"private": False}, {"effects": frozenset({"read"})}])
def test_any_two_of_them_do_not(change: dict[str, object]) -> None:
    assert RuleOfTwo().judge(replace(ASKING, **change)).verdict == "allow"


def asking(
    order: str, arguments: dict[str, Any], *effects: Effect, authority: tuple[str, ...] | None = ("to",), **more: Any
) -> Asking:
    given: dict[str, Any] = {"vouching": (order,), "origins": ASKING.origins, **more}
    return Asking("main", "s", "api", "tool", arguments, frozenset(effects or ("message",)), authority, **given)


@pytest.mark.parametrize(
    ("order", "arguments"),
    [
        ("write to ann@home.example", {"to": "ann@home.example", "body": "The page says it will rain."}),
        (
            "write to ann@home.example and bob@home.example",
            {"to": ["bob@home.example", "ann@home.example"], "cc": None},
        ),
        ("tell Ann about https://docs.example/a", {"to": "Ann", "body": "It is at https://docs.example/a"}),
    ],
)
def test_a_call_goes_where_the_owner_said(order: str, arguments: dict[str, Any]) -> None:
    assert RuleOfTwo().judge(asking(order, arguments)).verdict == "allow"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"to": "eve@evil.example", "body": "hi"}, "'eve@evil.example', its to"),
        ({"to": ["Ann", "eve@evil.example"]}, "'eve@evil.example', its to"),
        ({"to": "Ann", "body": "look at https://evil.example/"}, "'https://evil.example/', which stands in its body"),
        ({"to": "Ann", "body": {"eve@evil.example": "hi"}}, "'eve@evil.example', which stands in its body"),
        ({"body": "hi"}, "nothing in the call says whom or what it touches"),
        ({"to": [], "body": "hi"}, "nothing in the call says whom or what it touches"),
        ({}, "nothing in the call says whom or what it touches"),
    ],
)
def test_a_call_that_goes_elsewhere_asks_and_says_why(arguments: dict[str, Any], named: str) -> None:
    decision = RuleOfTwo().judge(asking("tell Ann", arguments))
    assert decision.verdict == "ask"
    assert decision.reason.startswith("the session has read the web page https://evil.example, and ")
    assert decision.reason.endswith(named)


def test_without_a_declaration_every_argument_decides() -> None:
    assert (
        RuleOfTwo().judge(asking("tell Ann hello", {"to": "Ann", "body": "hello"}, authority=None)).verdict == "allow"
    )
    assert RuleOfTwo().judge(asking("tell Ann", {"to": "Ann", "body": "hello"}, authority=None)).verdict == "ask"


def test_own_data_says_who_is_meant_but_not_what_may_be_said() -> None:
    own = ("Ann: ann@home.example, card 4237-4252-7456-2574",)
    assert RuleOfTwo().judge(asking("hi", {"to": "ann@home.example", "body": "hi"}, own=own)).verdict == "allow"
    stolen = {"to": "ann@home.example", "body": "4237-4252-7456-2574"}
    assert RuleOfTwo().judge(asking("hi", stolen, own=own)).verdict == "ask"


@pytest.mark.parametrize(
    ("things", "verdict"),
    [
        ({"24": ("Kick-off",)}, "allow"),
        ({"24": ("Kick-off", "Payroll")}, "ask"),
        ({"24": ("Payroll",)}, "ask"),
        ({"25": ("Kick-off",)}, "ask"),
        ({"24": ()}, "ask"),
    ],
)
def test_an_id_stands_for_what_bears_it(things: dict[str, tuple[str, ...]], verdict: str) -> None:
    assert RuleOfTwo().judge(asking("move the kick-off", {"to": 24}, things=things)).verdict == verdict


def test_what_cannot_be_brought_back_asks_though_it_was_named() -> None:
    decision = RuleOfTwo().judge(asking("read plan.txt", {"to": "plan.txt"}, "destroy"))
    assert (decision.verdict, "cannot be brought back" in decision.reason) == ("ask", True)


@pytest.mark.parametrize(
    ("order", "url", "verdict"),
    [
        ("read https://docs.example/a", "https://docs.example/a", "allow"),
        ("read https://docs.example/a", "https://docs.example/b", "allow"),
        ("read https://docs.example/a", "https://docs.example/?stolen=words", "ask"),
        ("read the news", "https://docs.example/b", "ask"),
        ("read https://docs.example/a", "https://evil.example/", "ask"),
        ("read the news", "https://news.example/today", "allow"),
        ("read the news", "https://news.example/today?stolen=words", "ask"),
    ],
)
def test_pages_are_read_where_the_owner_pointed(order: str, url: str, verdict: str) -> None:
    found = frozenset({"https://news.example/today"})
    links = frozenset({"https://docs.example/b", "https://evil.example/"})
    given = asking(order, {"url": url}, "read", "network", authority=("url",), links=links, found=found)
    assert RuleOfTwo().judge(given).verdict == verdict


WORDS = st.lists(
    st.sampled_from(["Ann", "ann@home.example", "docs.example/a", "10482", "notes.txt", "and"]), max_size=6
)
ASKINGS = st.builds(
    Asking,
    agent=st.just("main"),
    session=st.just("s"),
    channel=st.just("api"),
    tool=st.just("tool"),
    arguments=st.fixed_dictionaries({"to": WORDS, "body": WORDS.map(" ".join)}),
    effects=st.frozensets(st.sampled_from(sorted(get_args(Effect)))),
    authority=st.sampled_from([None, ("to",), ("to", "body"), ()]),
    origins=st.lists(st.sampled_from([Origin("web", "a"), Origin("tool", "b")]), max_size=2).map(tuple),
    vouching=st.lists(WORDS.map(" ".join), max_size=3).map(tuple),
    own=st.lists(WORDS.map(" ".join), max_size=2).map(tuple),
    things=st.just({"notes.txt": ("Ann",)}),
    links=st.frozensets(st.sampled_from(["docs.example/a", "notes.txt"])),
    found=st.frozensets(st.sampled_from(["docs.example/a", "notes.txt"])),
    private=st.booleans(),
)


@given(ASKINGS)
def test_more_from_others_never_makes_a_call_free(call: Asking) -> None:
    if RuleOfTwo().judge(call).verdict == "ask":
        assert RuleOfTwo().judge(replace(call, origins=(*call.origins, Origin("stranger", "x")))).verdict == "ask"
        assert RuleOfTwo().judge(replace(call, vouching=call.vouching[1:])).verdict == "ask"
        assert RuleOfTwo().judge(replace(call, own=call.own[1:])).verdict == "ask"
        assert RuleOfTwo().judge(replace(call, links=frozenset(), found=frozenset())).verdict == "ask"
        assert RuleOfTwo().judge(replace(call, private=True)).verdict == "ask"


@given(ASKINGS, st.frozensets(st.sampled_from(sorted(get_args(Effect)))))
def test_fewer_effects_never_make_a_free_call_ask(call: Asking, effects: frozenset[Effect]) -> None:
    if RuleOfTwo().judge(call).verdict == "allow":
        assert RuleOfTwo().judge(replace(call, effects=call.effects & effects)).verdict == "allow"


def test_any_number_can_be_shown() -> None:
    decision = RuleOfTwo().judge(asking("tell Ann", {"to": 10**5000}))
    assert decision.verdict == "ask" and len(decision.reason) < 300


def test_addresses_that_nobody_named_are_followed_only_so_often() -> None:
    url = "https://docs.example/b"
    links = frozenset({url})
    call = asking("read docs.example", {"url": url}, "read", "network", authority=("url",), links=links)
    assert RuleOfTwo().judge(replace(call, followed=MOST_FOLLOWED - 1)).verdict == "allow"
    assert RuleOfTwo().judge(replace(call, followed=MOST_FOLLOWED)).verdict == "ask"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("make a summary of the page", "ask"),
        ("then run `make`", "allow"),
        ('then run "make", please', "allow"),
        ("run this:\n  $ make\n", "allow"),
        ("run `make install`", "ask"),
    ],
)
def test_a_command_is_named_only_when_it_is_written_out(said: str, verdict: str) -> None:
    asking = Asking(
        agent="main",
        session="s",
        channel="api",
        tool="shell",
        arguments={"command": "make"},
        effects=frozenset({"read", "write", "execute"}),
        authority=("command",),
        origins=(Origin("web", "https://evil.example"),),
        vouching=(said,),
    )
    assert RuleOfTwo().judge(asking).verdict == verdict
