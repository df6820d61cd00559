from pathlib import Path

import pytest

from carapax.config import Config, ProviderConfig
from carapax.testing.gateway import gateway_client
from tests.parts.live import FILE, gateway_on
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


def test_what_could_be_is_told_and_changed_and_who_did_it() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            schema = {tuple(table["path"]): table for table in (await gateway.rpc("config.schema"))["tables"]}
            effort = next(key for key in schema[("agents", "*")]["keys"] if key["name"] == "effort")
            assert set(effort["choices"]) == {"off", "low", "medium", "high"}
            before = await gateway.rpc("config.status")
            edit = {"path": ["agents", "main", "effort"], "value": "high"}
            after = await gateway.rpc("config.set", changes=[edit], seen=before["digest"])
            assert (after["problem"], after["restart"]) == (None, [])
            assert [(change["path"], change["who"], change["by"]) for change in after["changes"]] == [
                ("agents.main.effort", "local", "call")
            ]
            found = await gateway.rpc("config.get")
            assert found["given"]["agents"]["main"]["effort"] == found["config"]["agents"]["main"]["effort"] == "high"
            assert 'effort = "high"' in found["toml"]
            with pytest.raises(RuntimeError, match="changed meanwhile"):
                await gateway.rpc("config.set", changes=[edit], seen="other")

    run(main())


def test_a_refused_change_names_its_fields() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            edits = [{"path": ["limits", "sockets"], "value": 0}, {"path": ["agents", "a b"], "value": {}}]
            request = {"jsonrpc": "2.0", "id": 1, "method": "config.set", "params": {"changes": edits}}
            async with gateway.call("POST", "/rpc", json=request) as response:
                data = (await response.json(content_type=None))["error"]["data"]
            assert data["fields"].keys() == {"limits.sockets", 'agents."a b"'}
            async with gateway.call("POST", "/api/config", json={"changes": edits}) as response:
                assert response.status == 400
                assert (await response.json(content_type=None))["fields"] == data["fields"]

    run(main())


def test_a_file_is_put_in_force_on_request_or_it_is_told_why_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path) as (gateway, file):
            file.write_text(FILE + 'effort = "low"\n')
            assert (await gateway.rpc("config.reload"))["problem"] is None
            assert gateway.services.config.agents["main"].effort == "low"
            file.write_text(FILE + 'effort = "lo"\n')
            with pytest.raises(RuntimeError, match=r"agents\.main\.effort: expected"):
                await gateway.rpc("config.reload")
            assert (await gateway.rpc("config.status"))["problem"]["line"] == 5

    run(main())
