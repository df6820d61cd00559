"""The providers of a home on which no gateway runs."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapax.config import Config, Home
from carapax.configcheck import check
from carapax.errors import Broken, InvalidRequest, NotFound
from carapax.http import Http
from carapax.models.detection import Detected
from carapax.models.facts import FactBook
from carapax.models.keys import Keys
from carapax.models.listing import Addition, ProviderStatus, Silent
from carapax.models.registry import Registry
from carapax.redaction import Secret
from carapax.settings import Settings
from carapax.testing import FakeClock
from carapax.vault import open_vault
from tests.fakes.model_server import ModelServer
from tests.fakes.vendor import Vendor
from tests.running import run


@asynccontextmanager
async def registry_on(folder: Path) -> AsyncGenerator[Registry, None]:
    home = Home(folder, folder / "data")
    config = check(home)
    async with Http() as http:
        keys = Keys(open_vault(home), {"GROQ_API_KEY": "k"})
        settings = Settings(config, home)
        yield Registry(settings, keys, http, FakeClock(), FactBook(config.providers, config.models))


def test_what_is_kept_is_there_when_the_home_is_opened_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor("k") as vendor, registry_on(tmp_path) as registry:
            url = vendor.url
            await registry.add(
                Addition("work", base_url=url, key=Secret("k"), default_model="gpt-5", tools="text", check=False)
            )
        async with registry_on(tmp_path) as registry:
            [work, groq] = await registry.providers()
            assert work == ProviderStatus("work", "", "openai_chat", url, "gpt-5", "vault", False, False, "configured")
            assert (groq.name, groq.key, groq.standing) == ("groq", "$GROQ_API_KEY", "key")
            assert registry.config.providers["work"].tools == "text"
            await registry.remove("work")
            with pytest.raises(NotFound, match="there is no provider 'work'"):
                await registry.remove("work")
        async with registry_on(tmp_path) as registry:
            assert registry.config == Config()
            assert await registry.keys.vault.names() == []

    run(main())


def test_a_password_in_an_address_is_kept_nowhere(tmp_path: Path) -> None:
    async def main() -> None:
        async with registry_on(tmp_path) as registry:
            with pytest.raises(InvalidRequest, match="a user or a password before the host") as refused:
                await registry.add(Addition("work", base_url="http://me:hunter2@x", key=Secret("k"), check=False))
            assert "hunter2" not in str(refused.value)
            assert registry.config == Config()
            assert await registry.keys.vault.names() == []

    run(main())


def test_a_vault_that_was_meddled_with_stops_what_needs_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with registry_on(tmp_path) as registry:
            await registry.add(Addition("work", base_url="http://x", key=Secret("k"), check=False))
            (tmp_path / "data" / "vault" / "vault.json").write_text("{}")
            with pytest.raises(Broken, match="is damaged"):
                await registry.providers()
            with pytest.raises(Broken):
                await registry.add(Addition("more", base_url="http://x", key=Secret("k"), check=False))

    run(main())


def test_of_a_vendor_that_lists_very_many_models_the_first_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        names = [f"m{number}" for number in range(6_000)]
        async with ModelServer(models=names) as server, registry_on(tmp_path) as registry:
            await registry.add(Addition("many", base_url=server.url, check=False))
            offers, silent = await registry.models("many")
            assert [offer.model for offer in offers] == names[:5_000]
            assert silent == [Silent("many", "many lists 6,000 models, of which these are the first 5,000")]

    run(main())


class SlowModels:
    """What runs with a provider, slow to take it in, so that a caller may leave meanwhile."""

    def __init__(self) -> None:
        self.renewed: list[str] = []
        self.reached = asyncio.Event()

    async def renew(self, name: str) -> None:
        self.reached.set()
        for _ in range(10):
            await asyncio.sleep(0)
        self.renewed.append(name)

    async def look_again(self) -> None:
        pass

    def detected(self) -> Detected:
        return Detected("demo", "demo", "")


def test_a_change_whose_caller_leaves_in_the_middle_is_done_everywhere(tmp_path: Path) -> None:
    async def left(live: SlowModels, change: Coroutine[object, object, object]) -> None:
        live.reached.clear()
        changing = asyncio.get_running_loop().create_task(change)
        await live.reached.wait()
        changing.cancel()
        changing.cancel()
        await asyncio.wait([changing])
        assert changing.cancelled()

    async def main() -> None:
        async with registry_on(tmp_path) as registry:
            live = registry.live = SlowModels()
            await left(live, registry.add(Addition("lab", base_url="http://x", key=Secret("k"), check=False)))
            assert (live.renewed, set(registry.config.providers)) == (["lab"], {"lab"})
            assert set(check(Home(tmp_path, tmp_path / "data")).providers) == {"lab"}
            await left(live, registry.remove("lab"))
            assert (live.renewed, registry.config.providers) == (["lab", "lab"], {})
            assert check(Home(tmp_path, tmp_path / "data")).providers == {}
            assert await registry.keys.vault.names() == []

    run(main())
