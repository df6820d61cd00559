"""The providers of a home on which no gateway runs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapax.config import Config, Home
from carapax.configcheck import check
from carapax.errors import Broken, NotFound
from carapax.http import Http
from carapax.models.facts import FactBook
from carapax.models.keys import Keys
from carapax.models.listing import Addition, ProviderStatus
from carapax.models.registry import Registry
from carapax.redaction import Secret
from carapax.testing import FakeClock
from carapax.vault import open_vault
from tests.fakes.vendor import Vendor
from tests.running import run


@asynccontextmanager
async def registry_on(folder: Path) -> AsyncGenerator[Registry, None]:
    home = Home(folder, folder / "data")
    config = check(home)
    async with Http() as http:
        keys = Keys(open_vault(home), {"GROQ_API_KEY": "k"})
        yield Registry(home, config, keys, http, FakeClock(), FactBook(config.providers, config.models))


def test_what_is_kept_is_there_when_the_home_is_opened_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Vendor("k") as vendor, registry_on(tmp_path) as registry:
            url = vendor.url.replace("http://", "http://me:secret@")
            await registry.add(
                Addition("work", base_url=url, key=Secret("k"), default_model="gpt-5", tools="text", check=False)
            )
        async with registry_on(tmp_path) as registry:
            [work, groq] = await registry.providers()
            masked = url.replace("me:secret", "********")
            assert work == ProviderStatus(
                "work", "", "openai_chat", masked, "gpt-5", "vault", False, False, "configured"
            )
            assert (groq.name, groq.key, groq.standing) == ("groq", "$GROQ_API_KEY", "key")
            assert registry.config.providers["work"].tools == "text"
            await registry.remove("work")
            with pytest.raises(NotFound, match="there is no provider 'work'"):
                await registry.remove("work")
        async with registry_on(tmp_path) as registry:
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
