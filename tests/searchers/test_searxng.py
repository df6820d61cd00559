from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from carapax.contracts import Hit, Searcher
from carapax.errors import ModelError, ModelRejected, ModelUnavailable
from carapax.models.server import Server
from carapax.searchers.searxng import Config, SearXNG
from carapax.testing import SearcherContract
from tests.fakes.answer import Answer
from tests.running import run
from tests.searchers.served import FAILURES, fail, said, served

PAGES = [
    {"title": "One", "url": "https://one.example", "content": "first", "engine": "duckduckgo", "score": 1.0},
    {"title": "Two", "url": "https://two.example", "content": None, "publishedDate": "2026-11-02T00:00:00"},
]
FOUND = said({"query": "turtles", "number_of_results": 0, "results": PAGES, "unresponsive_engines": [["x", "timeout"]]})


def opened(server: Server) -> Searcher:
    return SearXNG(Config(), server)


@pytest.mark.parametrize("path", ["", "/", "/search"])
def test_pages_are_asked_for_without_a_key(path: str) -> None:
    async def main() -> None:
        async with served(opened, FOUND, path, key="") as (searcher, server):
            assert await searcher.search("slow & grün+1", 5) == [
                Hit("One", "https://one.example", "first"),
                Hit("Two", "https://two.example", "", "2026-11-02T00:00:00"),
            ]
            assert len(await searcher.search("turtles", 1)) == 1
            asked = server.requests[0]
            assert (asked.method, asked.body, asked.headers.get("authorization")) == ("GET", None, None)
            assert urlsplit(asked.path).path == "/search"
            assert parse_qs(urlsplit(asked.path).query) == {"q": ["slow & grün+1"], "format": ["json"]}

    run(main())


def test_a_server_that_may_not_send_json_is_told_with_the_remedy() -> None:
    answer = Answer(status=403, body="<title>403 Forbidden</title>", content_type="text/html")
    run(fail(opened, answer, ModelRejected, "403 Forbidden .*settings.yml must have `json`"))


def test_engines_that_do_not_answer_are_told_when_nothing_was_found() -> None:
    engines = [["google", "CAPTCHA"], ["brave", "too many requests"]]
    answer = said({"results": [], "unresponsive_engines": engines})
    run(fail(opened, answer, ModelUnavailable, "did not answer: google: CAPTCHA, brave: too many requests"))


def test_nothing_was_found_when_all_engines_answered() -> None:
    async def main() -> None:
        async with served(opened, said({"results": [], "unresponsive_engines": []})) as (searcher, _):
            assert await searcher.search("turtles", 5) == []

    run(main())


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
