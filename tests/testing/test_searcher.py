"""The rules for searchers: a good one keeps them, a bad one is caught."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from carapax.contracts import Hit, Searcher
from carapax.testing import SearcherContract

PAGES = [Hit("One", "https://one.example", "first"), Hit("Two", "https://two.example", "second")]


class Library:
    """Finds the same pages always; a `generous` one gives all of them however few are wanted."""

    name = "library"

    def __init__(self, *, generous: bool = False) -> None:
        self._generous = generous

    async def search(self, query: str, count: int) -> list[Hit]:
        return PAGES if self._generous else PAGES[:count]


def opened(searcher: Searcher) -> AbstractAsyncContextManager[Searcher]:
    @asynccontextmanager
    async def held() -> AsyncIterator[Searcher]:
        yield searcher

    return held()


class TestContract(SearcherContract):
    def open(self) -> AbstractAsyncContextManager[Searcher]:
        return opened(Library())


def test_a_searcher_that_gives_more_than_was_asked_does_not_keep_the_rules() -> None:
    class Generous(SearcherContract):
        def open(self) -> AbstractAsyncContextManager[Searcher]:
            return opened(Library(generous=True))

    with pytest.raises(AssertionError):
        Generous().test_no_more_pages_are_found_than_asked_for()
