import asyncio

from carapax.config import ProviderConfig
from carapax.contracts import SecretStore
from carapax.http import Http
from carapax.models.catalogue import vendors
from carapax.models.detection import Detected, detect, first_for_talk
from carapax.models.keys import Keys
from carapax.redaction import Secret
from carapax.testing import MemoryVault
from tests.fakes.model_server import ModelServer
from tests.running import run


def found(
    environ: dict[str, str], local: dict[str, str], vault: SecretStore | None = None, **sections: ProviderConfig
) -> Detected:
    async def main() -> Detected:
        async with Http() as http:
            return await detect(sections, Keys(vault or MemoryVault(), environ), http, local=local)

    return run(main())


def test_a_configured_provider_comes_first() -> None:
    environ = {"OPENAI_API_KEY": "k"}
    assert found(environ, {}, mine=ProviderConfig(base_url="http://x", default_model="m")) == Detected(
        "mine", "m", "[providers.mine] is configured"
    )
    assert found(environ, {}, mine=ProviderConfig(base_url="http://x", key_env="MISSING")).provider == "openai"


def test_a_configured_provider_with_a_login_needs_no_key() -> None:
    environ = {"OPENAI_API_KEY": "k"}
    assert found(environ, {}, bedrock=ProviderConfig(default_model="m")) == Detected(
        "bedrock", "m", "[providers.bedrock] is configured"
    )


def test_who_has_no_models_to_talk_to_is_never_chosen() -> None:
    environ = dict.fromkeys(("VOYAGE_API_KEY", "TAVILY_API_KEY", "BRAVE_API_KEY"), "k") | {"SEARXNG_URL": "http://x"}
    voyage, tavily = ProviderConfig(key=Secret("k")), ProviderConfig(key=Secret("k"))
    chosen = found(environ, {}, voyage=voyage, tavily=tavily, searxng=ProviderConfig(base_url="http://x"))
    assert chosen.provider == "demo"


def test_keys_in_the_environment_are_tried_in_the_order_of_the_catalogue() -> None:
    environ = {"GROQ_API_KEY": "k", "OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": ""}
    assert found(environ, {}) == Detected("openai", vendors()["openai"].default_model, "OPENAI_API_KEY is set")


def test_a_key_in_the_vault_or_the_configuration_counts_as_one_in_the_environment() -> None:
    vault = MemoryVault({"provider:groq": "k", "provider:mine": "k"})
    assert found({}, {}, vault) == Detected("groq", vendors()["groq"].default_model, "its key is in the vault")
    assert found({}, {}, vault, mine=ProviderConfig(base_url="http://x", key_env="MISSING")).provider == "mine"
    written = ProviderConfig(vendor="openai", key=Secret("k"))
    assert found({}, {}, mine=written).provider == "mine"


def test_without_any_the_demo_answers_and_says_why() -> None:
    assert found({}, {}) == Detected(
        "demo", "demo", "no key of a vendor is in the vault or the environment and no local model server answers"
    )


def test_a_local_server_is_found_by_its_first_model_for_talk() -> None:
    async def main() -> None:
        async with ModelServer(models=["nomic-embed-text", "llama3"]) as server, Http() as http:
            local = {"lmstudio": "http://127.0.0.1:1", "ollama": server.url}
            assert await detect({}, Keys(MemoryVault(), {}), http, local=local) == Detected(
                "ollama", "llama3", f"ollama answers at {server.url}"
            )

    run(main())


def test_what_answers_but_is_no_model_server_is_passed_over() -> None:
    async def main() -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
            writer.close()

        servers = [await asyncio.start_server(serve, "127.0.0.1") for serve in (hang, page)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        async with servers[0], servers[1], ModelServer(models=[]) as empty, Http() as http:
            local = {"ollama": empty.url} | {str(port): f"http://127.0.0.1:{port}" for port in ports}
            assert (await detect({}, Keys(MemoryVault(), {}), http, local=local)).provider == "demo"

    run(main())


def test_models_for_other_ends_are_not_talked_to() -> None:
    assert first_for_talk(["text-embedding-3", "whisper-1", "llama3"]) == "llama3"
    assert first_for_talk(["bge-m3"]) == ""
