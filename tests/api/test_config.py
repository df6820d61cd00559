from carapax.config import Config, ProviderConfig
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_the_configuration_in_force_is_shown_without_secrets() -> None:
    config = Config(
        providers={"mine": ProviderConfig(base_url="https://user:hunter2@models.example/v1", key_env="MY_KEY")},
        tools={"weather": {"api_key": "hunter2", "nested": {"token": "hunter2", "place": "Kiel"}, "many": ["a"]}},
    )

    async def main() -> None:
        async with gateway_client(config=config) as gateway:
            shown = (await gateway.rpc("config.get"))["config"]
            assert shown["gateway"]["host"] == "127.0.0.1"
            assert shown["providers"]["mine"]["base_url"] == "https://********@models.example/v1"
            assert shown["providers"]["mine"]["key_env"] == "MY_KEY"
            assert shown["tools"]["weather"] == {
                "api_key": "********",
                "nested": {"token": "********", "place": "Kiel"},
                "many": ["a"],
            }

    run(main())
