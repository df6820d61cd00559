import pytest

from carapax.messages import Origin
from carapax.policy.legible import legible, shown, sources


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("rm -rf ~", "rm -rf ~"),
        ("ok\u202etxt.exe", "ok\\u202etxt.exe"),
        ("a\x1b[2Jb\tc\rd\0", "a\\x1b[2Jb\\tc\\rd\\x00"),
        ("a\u200bb\u3164c\u00add\U000e0041", "a\\u200bb\\u3164c\\xadd\\U000e0041"),
        ("a\u00a0b", "a\\xa0b"),
        (f"a{' ' * 12}b", f"a{chr(92)}x20" + "\\x20" * 11 + "b"),
        ("Grüße, 世界 🙂", "Grüße, 世界 🙂"),
        ({"b": [1, None], "a": "\x1b"}, '{"a":"\\u001b","b":[1,null]}'),
    ],
)
def test_everything_shows_as_what_it_is(value: object, seen: str) -> None:
    assert legible(value) == seen


def test_a_value_of_several_lines_cannot_look_like_another_argument() -> None:
    assert shown("post", {"text": "hi\nto: bob", "to": "eve"}) == "post\ntext: hi\n  to: bob\nto: eve"


def test_letters_that_imitate_others_are_named() -> None:
    assert shown("post", {"to": "pаypal"}).splitlines()[1:] == [
        "to: pаypal",
        "[look-alike letters: 'pаypal' imitates 'paypal' with Cyrillic Small Letter A]",
    ]


def test_sources_are_told_in_one_short_line() -> None:
    long = Origin("web", f"https://example.com/{'a' * 200}")
    assert sources([]) == ""
    assert sources([Origin("file", "a\nb"), Origin("stranger", "eve")]) == "the file a\\nb, a stranger eve"
    assert sources([long] * 5) == ", ".join([f"{long.name[:99]}…"] * 3 + ["2 more"])
