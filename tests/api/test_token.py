from typing import Any

import pytest

from carapax.testing.gateway import LOCAL_SECRET, gateway_client
from tests.api.test_owner import AGED
from tests.gateway.test_entrance import WORDS, opened
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


def test_a_browser_that_signed_in_a_while_ago_makes_and_revokes_no_token_without_the_password() -> None:
    async def main() -> list[int]:
        async with opened() as (gateway, browser):
            token, _ = await gateway.services.tokens.create("first", ("read",))
            await browser.set_up()
            await browser.post("/api/owner/password", new=WORDS)
            await gateway.services.audit.database.transact([AGED])
            deeds: tuple[tuple[str, str, dict[str, Any]], ...] = (
                ("POST", "/api/tokens", {"name": "theirs", "scopes": ["admin"]}),
                ("DELETE", f"/api/tokens/{token.id}", {}),
            )
            return [
                (await browser.ask(method, path, json=body | said))[0]
                for method, path, body in deeds
                for said in ({}, {"current": "not this one"}, {"current": WORDS})
            ]

    assert run(main()) == [403, 400, 201, 403, 400, 200]
