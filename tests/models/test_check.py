"""Whether a provider answers."""

import pytest

from carapax.config import ProviderConfig
from carapax.contracts import Provider
from carapax.errors import ModelRejected, ModelUnauthorized
from carapax.http import Http
from carapax.models.check import ask, ask_embedder, ask_searcher, told
from carapax.models.keys import Keys
from carapax.models.opening import open_embedder, open_provider, open_searcher
from carapax.testing import FakeClock, MemoryVault
from tests.fakes.answer import Answer
from tests.fakes.model_server import ModelServer
from tests.fakes.vendor import Vendor
from tests.running import run
from tests.searchers.served import KEY, serving
from tests.searchers.test_tavily import FOUND


async def provider(url: str, key: str, http: Http) -> Provider:
    section = ProviderConfig(base_url=url, key_env="KEY" if key else "")
    return await open_provider("lab", section, http, Keys(MemoryVault(), {"KEY": key}), FakeClock())


@pytest.mark.parametrize("open_list", [False, True])
def test_a_key_is_shown_to_prove_itself(open_list: bool) -> None:
    async def main() -> None:
        async with Vendor("right", open_list=open_list) as vendor, Http() as http:
            anonymous = await provider(vendor.url, "", http)
            assert await ask(await provider(vendor.url, "right", http), "gpt-5", anonymous) == 2
            assert await ask(await provider(vendor.url, "right", http), "gone", anonymous) == 2
            with pytest.raises(ModelUnauthorized, match="not one of ours"):
                await ask(await provider(vendor.url, "wrong", http), "gpt-5", anonymous)

    run(main())


def test_where_there_is_no_list_only_an_answer_counts() -> None:
    async def main() -> None:
        async with Vendor("right", lists=False) as vendor, Http() as http:
            assert await ask(await provider(vendor.url, "right", http), "gpt-5") == 0
            with pytest.raises(ModelRejected, match="does not exist"):
                await ask(await provider(vendor.url, "right", http), "gone")
            with pytest.raises(ModelRejected, match="does not say which models it has"):
                await ask(await provider(vendor.url, "right", http), "")

    run(main())


def test_what_went_wrong_is_told_apart_from_what_to_do() -> None:
    checked = told("lab", 0.5, ModelUnauthorized("refused", "check the key"))
    assert (checked.ok, checked.error, checked.hint, checked.latency_s) == (False, "refused", "check the key", 0.5)


def test_who_has_no_models_is_asked_for_the_least_it_can_do() -> None:
    async def main() -> None:
        keys = Keys(MemoryVault(), {"TAVILY_API_KEY": KEY, "VOYAGE_API_KEY": KEY})
        async with (
            serving(FOUND, key=KEY) as server,
            ModelServer([Answer(), Answer(status=401)]) as models,
            Http() as http,
        ):
            told_where = ProviderConfig(base_url=server.url)
            await ask_searcher(await open_searcher("tavily", told_where, http, keys, FakeClock()))
            assert server.requests[0].body["max_results"] == 1
            server.key = "another"
            with pytest.raises(ModelUnauthorized, match="missing or invalid API key"):
                await ask_searcher(await open_searcher("tavily", told_where, http, keys, FakeClock()))
            embedder = await open_embedder("voyage", ProviderConfig(base_url=models.url), http, keys, FakeClock())
            await ask_embedder(embedder, "voyage-x")
            with pytest.raises(ModelUnauthorized):
                await ask_embedder(embedder, "voyage-x")
            assert [request.body["input"] for request in models.requests] == [["hello"], ["hello"]]

    run(main())
