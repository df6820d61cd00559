"""Every recorded search replays: the same pages, and a request that asks for the same."""

from typing import Any

import msgspec
import pytest

from carapax.contracts import Hit
from carapax.models.catalogue import vendors
from carapax.models.server import endpoint
from carapax.searchers.tavily import Config, decode, encode
from tests.fakes.recordings import Exchange, conversations, present
from tests.searchers.served import ORIGIN

pytestmark = present

ALL = [
    pytest.param(exchange, id=exchange.name)
    for exchanges in conversations(("tavily",), "/search")
    for exchange in exchanges
]
MOST = 5  # as many as the vendor finds when it is not told


@pytest.mark.parametrize("exchange", ALL)
def test_the_request_is_the_recorded_one(exchange: Exchange) -> None:
    asked: dict[str, Any] = {"max_results": MOST, **exchange.request}
    accent = {key: value for key, value in asked.items() if key not in ("query", "max_results")}
    assert encode(asked["query"], asked["max_results"], msgspec.convert(accent, Config)) == asked


@pytest.mark.parametrize("exchange", ALL)
def test_the_pages_are_the_recorded_ones(exchange: Exchange) -> None:
    pages = msgspec.json.decode(exchange.body)["results"]
    assert exchange.status == 200
    assert decode(exchange.body, ORIGIN, MOST) == [
        Hit(page["title"], page["url"], page["content"], page.get("published_date") or "") for page in pages
    ]


def test_none_is_left_out_and_the_catalogue_knows_where_they_are() -> None:
    assert len(ALL) >= 2
    known = endpoint(vendors()["tavily"].base_url, "/search", "")
    assert {case.values[0].url for case in ALL if isinstance(case.values[0], Exchange)} == {known}
