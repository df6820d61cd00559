from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from carapax.contracts import Hit, Searcher
from carapax.errors import ModelError, ModelUnauthorized
from carapax.models.server import Server
from carapax.searchers.tavily import Config, Tavily, encode
from carapax.testing import SearcherContract
from tests.fakes.answer import Answer
from tests.running import run
from tests.searchers.served import FAILURES, KEY, fail, said, served

PAGES = [
    {"title": "One", "url": "https://one.example", "content": "first", "score": 0.9, "raw_content": None},
    {"title": "Two", "url": "https://two.example", "content": "second", "published_date": "Mon, 02 Nov 2026"},
    {"title": "Three", "url": "javascript:alert(1)", "content": "third"},
]
FOUND = said({"query": "turtles", "answer": None, "images": [], "results": PAGES, "response_time": 1.1})


def opened(server: Server) -> Searcher:
    return Tavily(Config(), server)


def test_pages_are_asked_for_with_the_key() -> None:
    async def main() -> None:
        async with served(opened, FOUND) as (searcher, server):
            assert await searcher.search("turtles", 5) == [
                Hit("One", "https://one.example", "first"),
                Hit("Two", "https://two.example", "second", "Mon, 02 Nov 2026"),
            ]
            [asked] = server.requests
            assert (asked.method, asked.path) == ("POST", "/search")
            assert asked.headers["authorization"] == f"Bearer {KEY}"
            assert asked.body == encode("turtles", 5, Config())

    run(main())


def test_no_more_pages_are_asked_for_than_the_vendor_gives() -> None:
    assert encode("a", 100, Config()) == {
        "query": "a",
        "max_results": 20,
        "search_depth": "basic",
        "topic": "general",
    }


def test_an_address_may_be_that_of_the_endpoint() -> None:
    async def main() -> None:
        async with served(opened, FOUND, "/proxy/search/") as (searcher, server):
            await searcher.search("turtles", 5)
            assert server.requests[0].path == "/proxy/search"

    run(main())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "Unauthorized: missing or invalid API key."),
        (432, "This request exceeds your plan's set usage limit."),
        (433, "This request exceeds the pay-as-you-go limit."),
    ],
)
def test_a_key_that_is_refused_or_used_up_is_told_as_such(status: int, words: str) -> None:
    answer = said({"detail": {"error": words}}, status)
    run(fail(opened, answer, ModelUnauthorized, f"fake answered with {status}: {words}"))


@pytest.mark.parametrize(("answer", "kind", "words"), FAILURES)
def test_a_server_that_misbehaves_is_told_by_what_it_did(answer: Answer, kind: type[ModelError], words: str) -> None:
    run(fail(opened, answer, kind, words))


class TestContract(SearcherContract):
    def open(self) -> AbstractAsyncContextManager[Searcher]:
        @asynccontextmanager
        async def searcher() -> AsyncIterator[Searcher]:
            async with served(opened, FOUND) as (opened_searcher, _):
                yield opened_searcher

        return searcher()
