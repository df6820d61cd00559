import pytest

from carapax.testing.gateway import LOCAL_SECRET, gateway_client
from tests.running import run


def test_a_token_is_made_listed_used_and_revoked() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            gateway.http.headers["Authorization"] = f"Bearer {LOCAL_SECRET}"
            made = await gateway.rpc("token.create", name="phone", scopes=["read"])
            assert made["secret"].startswith("cpx_")
            listed = await gateway.rpc("token.list")
            assert [(token["name"], token["scopes"]) for token in listed["tokens"]] == [("phone", ["read"])]
            assert made["secret"] not in str(listed)
            using = {"Authorization": f"Bearer {made['secret']}"}
            async with gateway.call("GET", "/status", headers=using) as response:
                assert response.status == 200
            assert await gateway.rpc("token.revoke", token=made["token"]["id"]) == {"token": made["token"]["id"]}
            await gateway.rpc("token.create", name="other")
            async with gateway.call("GET", "/status", headers=using) as response:
                assert response.status == 401

    run(main())


@pytest.mark.parametrize(
    "params", [{"name": ""}, {"name": "a", "scopes": []}, {"name": "a", "scopes": ["root"]}, {"name": "a\x00"}]
)
def test_a_token_that_makes_no_sense_is_refused(params: dict[str, object]) -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError) as caught:
                await gateway.rpc("token.create", **params)
            assert not await gateway.services.owner.guarded()
            return str(caught.value)

    assert '"code":-32602' in run(main())
