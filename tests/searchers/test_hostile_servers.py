"""A server may send anything for a search: it is answered with pages that can be shown, or with a ModelError."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.contracts import Hit
from carapax.errors import ModelError
from carapax.models.refusal import Origin
from carapax.searchers import brave, searxng, tavily
from tests.providers.test_hostile_servers import spoil
from tests.searchers import test_brave, test_searxng, test_tavily
from tests.searchers.served import ORIGIN

Decode = Callable[[bytes, Origin, int], list[Hit]]
CASES = [
    pytest.param(tavily.decode, test_tavily.FOUND.body, id="tavily"),
    pytest.param(brave.decode, test_brave.FOUND.body, id="brave"),
    pytest.param(searxng.decode, test_searxng.FOUND.body, id="searxng"),
]


def assert_can_be_shown(found: list[Hit], count: int) -> None:
    assert len(found) <= count
    for hit in found:
        assert hit.url.startswith(("https://", "http://"))
        assert hit.url.isprintable()
        assert all(isinstance(text, str) for text in (hit.title, hit.text, hit.published))


@pytest.mark.parametrize(("decode", "answer"), CASES)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_an_answer_with_something_wrong_in_it(decode: Decode, answer: str, data: st.DataObject) -> None:
    with suppress(ModelError):
        spoilt = spoil(spoil(json.loads(answer), data), data)
        assert_can_be_shown(decode(json.dumps(spoilt).encode(), ORIGIN, 2), 2)


@pytest.mark.parametrize(("decode", "answer"), CASES)
@pytest.mark.parametrize(
    "garbage", [b"[" * 100_000, b'{"results":' * 100_000, b"\xff", b"", b"null", b'{"results":null,"type":"x"}']
)
def test_a_body_of_garbage(decode: Decode, answer: str, garbage: bytes) -> None:
    with pytest.raises(ModelError):
        decode(garbage, ORIGIN, 2)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://a", "javascript:alert(1)", "https://a\n2. Fake", "https://a b", "https://a/" + "x" * 3000, None, 7],
)
def test_pages_without_a_proper_address_are_left_out(url: object) -> None:
    page = {"title": "One", "url": url, "content": "text"}
    assert tavily.decode(json.dumps({"results": [page]}).encode(), ORIGIN, 2) == []
