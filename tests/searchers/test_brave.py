from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from carapax.contracts import Hit, Searcher
from carapax.errors import ModelBusy, ModelError, ModelUnauthorized
from carapax.models.server import Server
from carapax.searchers.brave import Brave, Config, encode
from carapax.testing import SearcherContract
from tests.fakes.answer import Answer
from tests.running import run
from tests.searchers.served import FAILURES, KEY, fail, said, served

PAGES = [
    {
        "type": "search_result",
        "title": "One &amp; <strong>only</strong>",
        "url": "https://one.example/?a=1&b=2",
        "description": "It&#x27;s the <strong>first</strong> of &lt;two&gt;",
        "age": "2 days ago",
        "page_age": "2026-11-02T08:00:00",
    },
    {"title": "Two", "url": "https://two.example"},
]
FOUND = said({"type": "search", "query": {"original": "turtles"}, "web": {"type": "search", "results": PAGES}})


def opened(server: Server) -> Searcher:
    return Brave(Config(), server)


def test_pages_are_asked_for_with_the_key() -> None:
    async def main() -> None:
        async with served(opened, FOUND, "/res/v1") as (searcher, server):
            assert await searcher.search("slow & grün+1", 5) == [
                Hit("One & only", "https://one.example/?a=1&b=2", "It's the first of <two>", "2026-11-02T08:00:00"),
                Hit("Two", "https://two.example", ""),
            ]
            [asked] = server.requests
            assert (asked.method, asked.body) == ("GET", None)
            assert asked.headers["x-subscription-token"] == KEY
            assert "authorization" not in asked.headers
            path, query = urlsplit(asked.path).path, urlsplit(asked.path).query
            assert path == "/res/v1/web/search"
            assert parse_qs(query) == {
                "q": ["slow & grün+1"],
                "count": ["5"],
                "text_decorations": ["false"],
                "result_filter": ["web"],
            }

    run(main())


def test_no_more_pages_are_asked_for_than_the_vendor_gives() -> None:
    assert "&count=20&" in encode("a", 100)


def test_an_address_may_be_that_of_the_endpoint() -> None:
    async def main() -> None:
        async with served(opened, FOUND, "/res/v1/web/search") as (searcher, server):
            await searcher.search("turtles", 5)
            assert server.requests[0].path.startswith("/res/v1/web/search?")

    run(main())


def test_nothing_was_found_when_the_answer_has_no_pages() -> None:
    async def main() -> None:
        async with served(opened, said({"type": "search", "query": {}, "mixed": {}})) as (searcher, _):
            assert await searcher.search("turtles", 5) == []

    run(main())


@pytest.mark.parametrize(
    ("status", "code", "words", "kind"),
    [
        (422, "SUBSCRIPTION_TOKEN_INVALID", "The provided subscription token is invalid.", ModelUnauthorized),
        (429, "RATE_LIMITED", "Request rate limit exceeded for plan", ModelBusy),
    ],
)
def test_what_the_vendor_says_of_a_key_is_told(status: int, code: str, words: str, kind: type[ModelError]) -> None:
    error = {"id": "x", "status": status, "code": code, "detail": words, "meta": {"plan": "Free"}}
    answer = said({"type": "ErrorResponse", "error": error, "time": 1}, status)
    run(fail(opened, answer, kind, f"fake answered with {status}: {words}"))


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
