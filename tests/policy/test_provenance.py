import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.policy.provenance import leaves, names, names_host, only_names, references, said_all

ORDER = (
    "Please send the notes to Ann <ann@home.example> and to bob.smith@work.example; the room is 'Blue Sparrow', "
    "meet on May 20th at 4 pm (or 2026-06-01 10:00). Pay $12 or 98.70, order 10482, IBAN GB29 NWBK 6016 1331 9268 19. "
    "See https://docs.example/start and report-2026.txt, then post in general. Ask about 3 of them, in 2026; "
    "everyone may come."
)


@pytest.mark.parametrize(
    "value",
    [
        "ann@home.example", "ANN@home.example", "bob.smith@work.example", "blue  sparrow", "Blue Sparrow", "general",
        "https://docs.example/start", "docs.example/start", "http://docs.example/start/", "report-2026.txt",
        "2026-05-20", "2026-05-20 16:00", "2026-05-20T16:00:00Z", "2026-06-01 10:00", "2026-05-20 00:00",
        12, 12.0, 98.7, "98.70", 10482, "10482", "GB29 NWBK 6016 1331 9268 19",
    ],
)  # fmt: skip
def test_what_stands_in_a_text_as_a_whole_is_named(value: object) -> None:
    assert names(["nothing", ORDER], value)


@pytest.mark.parametrize(
    "value",
    [
        "nn@home.example", "ann@home.example.evil", "home.example", "smith@work.example", "work.example", "Sparro",
        "https://docs.example/start/now", "https://docs.example", "docs.example/Start", "report", "report-2026",
        "2026-05-21", "2025-06-01", "2026-05-20 17:00", 3, 3.0, "3", 2026, "2026", 1048, 987, True, False, None, "true",
        "an", "to", "and", "them", "everyone", "", " ", "...", "the", "e", "notes to bob",
        pytest.param(10**5000, id="huge"), 1e300, float("nan"), "1e999999999",
        "ａnn@home.example", "ann\u200b@home.example",
    ],
)  # fmt: skip
def test_what_does_not_or_means_nothing_is_not(value: object) -> None:
    assert not names(["nothing", ORDER], value)


def test_a_host_is_named_by_its_pages_but_not_by_addresses_of_mail() -> None:
    assert names_host([ORDER], "https://docs.example/other?x=1")
    assert names_host(["look at docs.example"], "http://DOCS.example:80/") is False
    for url in (
        "https://home.example/",
        "https://evil.example/docs.example/start",
        "https://docs.example.evil/",
        "",
        "/",
    ):
        assert not names_host([ORDER], url)
    assert not names_host([ORDER], "https://docs.example@evil.example/")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("Dinner at The Blue Sparrow", True),
        ("Report 7 of May", True),
        ("dinner at home", True),
        ("Late dinner at home", False),
        ("Report 7 of ", False),
        ("Dinner at https://evil.example/", False),
        ("Dinner at eve@evil.example", False),
        ("Dinner at " + "a long table " * 9, False),
        ("eve", False),
    ],
)
def test_a_form_with_gaps_names_what_fills_it(value: str, named: bool) -> None:
    order = "I'd like it called 'Dinner at {restaurant_name}', then \"Report {number} of {month}\". Don't use '{x}'."
    assert names([order], value) is named


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ('["general","External_0"]', True),
        ("- general\n- random", True),
        ("null", True),
        ("", True),
        ("[]", True),
        ('["general","ignore what was said"]', False),
        ('["general","eve@evil.example"]', False),
        ('["general",{"a":"b"}]', False),
        ("send all to eve", False),
        ("send_all_secrets_to_eve", False),
        ('["cut', False),
    ],
)
def test_short_names_alone_are_told_from_words(text: str, only: bool) -> None:
    assert only_names(text) is only


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("go to https://evil.example/a?b=c now", ["https://evil.example/a?b=c"]),
        ("see www.evil.example.", ["www.evil.example"]),
        ("[here](//evil.example) or evil.example/x", ["//evil.example", "evil.example/x"]),
        ("site=evil.example", ["evil.example"]),
        ("evil。example, evil\u200b.example", ["evil.example", "evil.example"]),
        ("mail eve@evil.example or @eve_99", ["eve@evil.example", "@eve_99"]),
        ("call +41 79 123 45 67", ["+41 79 123 45 67"]),
        ("card 4237-4252-7456-2574", ["4237-4252-7456-2574"]),
        ("to GB29NWBK60161331926819!", ["GB29NWBK60161331926819"]),
        ("code 463820", ["463820"]),
        (463820, ["463820"]),
        ("evil[.]example or evil (dot) example", ["evil.example"]),
        ("eve [at] evil[.]example", ["eve@evil.example"]),
        ("10.0.0.1:8080", ["10.0.0.1:8080"]),
        ("copy ~/.ssh/id and ../../x and /etc/passwd", ["~/.ssh/id", "../../x", "/etc/passwd"]),
        ("bc1qxy2kgdygjrsqtzq2n0yrf24", ["bc1qxy2kgdygjrsqtzq2n0yrf24"]),
        ("Meet on 2026-05-20 at 10:00, 3.5 h, e.g. in room 12; 1,000 people. See notes.txt and/or Ann's.", []),
        ("", []),
    ],
)
def test_what_points_elsewhere_is_found(text: object, found: list[str]) -> None:
    assert sorted(set(references({"body": [text]}))) == sorted(set(found))


def test_all_words_are_said_or_too_common_to_matter() -> None:
    assert said_all([ORDER], {"query": "blue sparrow notes for the room", "count": 5})
    assert not said_all([ORDER], {"query": "blue sparrow site:evil"})
    assert not said_all([], {"query": "sparrow"})


def test_names_of_fields_point_too() -> None:
    assert list(references({"shared": {"eve@evil.example": "rw"}})) == ["eve@evil.example"]


def test_empty_values_say_nothing() -> None:
    assert list(leaves({"a": None, "b": "", "c": [[], {}], "d": [0, False, {"e": "x"}]})) == [0, False, "x"]


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_searched(text: str, value: str) -> None:
    assert names([text], value) in (True, False)
    assert all(isinstance(reference, str) for reference in references(text))
    assert names_host([text], value) in (True, False)


@given(st.from_regex(r"[a-z]{4,9}[.][a-z]{4,9}@[a-z]{4,9}[.]example", fullmatch=True), st.text(max_size=40))
def test_an_address_between_blanks_is_named_and_never_within_another(address: str, other: str) -> None:
    assert names([f"{other} {address} {other}"], address)
    assert not names([f"x{address}"], address)
    assert not names([f"{address}.evil"], address)


@pytest.mark.parametrize(
    "text", ["a" * 50_000, "ab " * 20_000, "1" * 50_000, "a." * 30_000, "@" * 50_000, "1 -" * 20_000]
)
def test_hostile_texts_take_no_longer_than_their_length(text: str) -> None:
    for value in (text[: len(text) // 2] + "b", text[:5000], "a" * 15_000, "ab ab a", "2026-05-20 10:00", 123):
        assert names([text], value) in (True, False)
    assert len(list(references(text))) <= len(text)


@pytest.mark.parametrize(
    "spelled",
    ["https://docs.example/http://https://start", "https://docs.example/start//", "https://https://docs.example/start"],
)
def test_nothing_can_be_told_by_the_way_in_which_a_named_address_is_spelled(spelled: str) -> None:
    assert not names([ORDER], spelled)
    assert not names(["look at https://docs.example?q=summary"], "https://docs.example?q=sUmMaRy")


def test_an_address_within_an_address_is_named_as_it_stands_there() -> None:
    order = "look at (https://archive.example/http://a.example/)"
    assert names([order], "https://archive.example/http://a.example/")
    assert not names([order], "https://a.example/")
