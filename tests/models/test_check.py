"""Whether a provider answers."""

import pytest

from carapax.config import ProviderConfig
from carapax.contracts import Provider
from carapax.errors import ModelRejected, ModelUnauthorized
from carapax.http import Http
from carapax.models.check import ask, told
from carapax.models.keys import Keys
from carapax.models.opening import open_provider
from carapax.testing import FakeClock, MemoryVault
from tests.fakes.vendor import Vendor
from tests.running import run


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
