"""Which vendor searches the web, and that it is opened only when it is asked."""

import pytest

from carapax.config import ProviderConfig
from carapax.contracts import Hit, SecretStore
from carapax.errors import ConfigError, ModelUnauthorized
from carapax.http import Http
from carapax.models.catalogue import vendors
from carapax.models.keys import Keys
from carapax.models.opening import open_searcher
from carapax.models.search import Chosen, choose
from carapax.redaction import Secret
from carapax.testing import FakeClock, MemoryVault
from tests.running import run
from tests.searchers.served import serving
from tests.searchers.test_searxng import FOUND


def chosen(
    environ: dict[str, str], vault: SecretStore | None = None, **sections: ProviderConfig
) -> tuple[str, str] | None:
    """The name of the searcher and why it is used."""
    found = run(choose(sections, Http(), Keys(vault or MemoryVault(), environ), FakeClock()))
    return (found.name, found.why) if found else None


def test_without_a_key_or_an_address_nothing_searches() -> None:
    assert chosen({}) is None
    assert chosen({"OPENAI_API_KEY": "k", "VOYAGE_API_KEY": "k", "TAVILY_API_KEY": " "}) is None
    assert chosen({}, searxng=ProviderConfig(), brave=ProviderConfig()) is None


def test_the_first_vendor_of_the_catalogue_that_has_its_key_is_used() -> None:
    both = {"BRAVE_API_KEY": "k", "TAVILY_API_KEY": "k"}
    assert chosen(both) == ("tavily", "its key is from $TAVILY_API_KEY")
    assert chosen({"BRAVE_API_KEY": "k", "SEARXNG_URL": "http://x"}) == ("brave", "its key is from $BRAVE_API_KEY")
    assert chosen({"SEARXNG_URL": "http://x"}) == ("searxng", "$SEARXNG_URL is set")
    assert chosen({"BRAVE_API_KEY": "k"}, MemoryVault({"provider:brave": "k"})) == (
        "brave",
        "its key is from the vault",
    )


def test_what_is_configured_comes_first() -> None:
    environ = {"TAVILY_API_KEY": "k"}
    assert chosen(environ, mine=ProviderConfig(vendor="searxng", base_url="http://x")) == (
        "mine",
        "[providers.mine] says where it is",
    )
    assert chosen(environ, brave=ProviderConfig(key=Secret("k"))) == ("brave", "its key is from carapax.toml")
    assert chosen(environ, brave=ProviderConfig()) == ("tavily", "its key is from $TAVILY_API_KEY")
    assert chosen(environ, openai=ProviderConfig(key=Secret("k"))) == ("tavily", "its key is from $TAVILY_API_KEY")


def test_a_server_of_ones_own_is_asked_where_the_environment_says() -> None:
    async def main() -> None:
        async with serving(FOUND) as server, Http() as http:
            searcher = await choose({}, http, Keys(MemoryVault(), {"SEARXNG_URL": server.url + "/"}), FakeClock())
            assert isinstance(searcher, Chosen)
            assert await searcher.search("turtles", 1) == [Hit("One", "https://one.example", "first")]

    run(main())


def test_a_key_that_cannot_be_one_is_told_when_it_is_to_be_used() -> None:
    async def main() -> None:
        searcher = await choose({}, Http(), Keys(MemoryVault(), {"BRAVE_API_KEY": "schlüssel"}), FakeClock())
        assert searcher is not None
        with pytest.raises(ModelUnauthorized, match="the key for brave has characters that no key has"):
            await searcher.search("turtles", 1)

    run(main())


def test_a_provider_that_does_not_search_says_who_does() -> None:
    with pytest.raises(ConfigError, match=r"openai does not search the web \(these do: tavily, brave, searxng"):
        run(open_searcher("openai", None, Http(), Keys(MemoryVault(), {}), FakeClock()))


def test_every_row_that_searches_can_be_opened() -> None:
    async def main() -> None:
        environ = {row.key_env: "key" for row in vendors().values() if row.search and row.key_env}
        keys = Keys(MemoryVault(), {**environ, "SEARXNG_URL": "http://x"})
        for name, row in vendors().items():
            if row.search:
                assert (await open_searcher(name, None, Http(), keys, FakeClock())).name == name

    run(main())


def test_what_a_searcher_may_be_told_stands_in_its_section() -> None:
    async def main() -> None:
        keys = Keys(MemoryVault(), {"TAVILY_API_KEY": "k"})
        with pytest.raises(ConfigError, match="depth_of_search"):
            section = ProviderConfig(accent={"depth_of_search": 1})
            await open_searcher("tavily", section, Http(), keys, FakeClock())

    run(main())
