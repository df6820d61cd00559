"""The rules every searcher keeps."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager

from carapax.contracts import Searcher


class SearcherContract:
    """The rules every searcher keeps, as tests: inherit from it in a test class and say how to open yours, which finds
    more than one page for `query`. The checks run on a fresh event loop each."""

    query = "turtles"

    def open(self) -> AbstractAsyncContextManager[Searcher]:
        """A searcher, ready to be asked, and closed at the end of the block."""
        raise NotImplementedError

    def test_every_page_has_an_address(self) -> None:
        async def check(searcher: Searcher) -> None:
            found = await searcher.search(self.query, 5)
            assert found
            assert all(hit.url.startswith(("https://", "http://")) for hit in found)

        self._with_searcher(check)

    def test_no_more_pages_are_found_than_asked_for(self) -> None:
        async def check(searcher: Searcher) -> None:
            assert len(await searcher.search(self.query, 1)) == 1
            assert len(await searcher.search(self.query, 1_000)) > 1

        self._with_searcher(check)

    def test_any_text_can_be_searched_for(self) -> None:
        async def check(searcher: Searcher) -> None:
            for query in ("a&count=1#?q=%41 +b/", "grün 🐢", '"' * 100):
                await searcher.search(query, 3)

        self._with_searcher(check)

    def _with_searcher(self, check: Callable[[Searcher], Coroutine[object, object, None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(30), self.open() as searcher:
                assert searcher.name
                await check(searcher)

        asyncio.run(main())
