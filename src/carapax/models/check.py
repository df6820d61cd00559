"""Whether a provider answers, and takes the key that it is asked with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from msgspec import Struct

from carapax.contracts import Embedder, Provider, Searcher
from carapax.errors import CarapaxError, ModelRejected, ModelUnavailable
from carapax.messages import ModelInfo, ModelRequest, UserMessage
from carapax.models.detection import first_for_talk

CHECK_S = 10.0
_SHORTEST_ANSWER = 16  # tokens; some vendors take no less


class Checked(Struct, frozen=True):
    """How a provider answered.

    provider: its name
    ok: whether it answered, and took the key
    latency_s: how long that took
    models: how many models it says it has
    error: why not, in the vendor's words
    hint: what to do
    """

    provider: str
    ok: bool
    latency_s: float
    models: int = 0
    error: str = ""
    hint: str = ""


def told(name: str, latency_s: float, error: CarapaxError) -> Checked:
    """A check that failed."""
    return Checked(name, False, latency_s, 0, error.message, error.hint)


async def ask(provider: Provider, model: str, anonymous: Provider | None = None) -> int:
    """How many models a provider has: asked for its list, and for a short answer where a list proves nothing.

    `anonymous` is the same without its key: a vendor that lists its models to anybody says nothing of the key. Raises
    a ModelError.
    """
    async with _in_time(provider.name):
        found = await _list(provider)
        if found is None:
            await _answer(provider, model)
        elif anonymous is not None and await _lists(anonymous):
            await _take_key(provider, model or first_for_talk(info.name for info in found))
    return len(found or ())


async def ask_searcher(searcher: Searcher) -> None:
    """Have it search for one page. Raises a ModelError."""
    async with _in_time(searcher.name):
        await searcher.search("hello", 1)


async def ask_embedder(embedder: Embedder, model: str) -> None:
    """Have it embed one word. Raises a ModelError."""
    async with _in_time(embedder.name):
        await embedder.embed(["hello"], model, purpose="query")


@asynccontextmanager
async def _in_time(name: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(CHECK_S):
            yield
    except TimeoutError:
        raise ModelUnavailable(f"{name} did not answer in {CHECK_S:.0f} s", "check its base_url", vendor=name) from None


async def _list(provider: Provider) -> list[ModelInfo] | None:
    """None for a vendor that has no list."""
    try:
        return await provider.models()
    except ModelRejected as error:
        if error.status not in (404, 405):
            raise
        return None


async def _lists(provider: Provider) -> bool:
    try:
        return bool(await provider.models())
    except CarapaxError:
        return False


async def _take_key(provider: Provider, model: str) -> None:
    """Whatever a vendor has against the request, it has looked at the key before."""
    try:
        await _answer(provider, model)
    except ModelRejected:
        return


async def _answer(provider: Provider, model: str) -> None:
    if not model:
        raise ModelRejected(
            f"{provider.name} does not say which models it has", "give it a default_model", vendor=provider.name
        )
    request = ModelRequest(model, (UserMessage("Hi"),), max_output_tokens=_SHORTEST_ANSWER, stream=False)
    async with aclosing(provider.stream(request)) as answer:
        async for _ in answer:
            pass
