import pytest

from carapax.testing.gateway import gateway_client
from tests.running import run


def test_a_session_is_carried_to_another_gateway() -> None:
    async def main() -> None:
        async with gateway_client(["hello"]) as old, gateway_client(["again"]) as new:
            session = (await old.rpc("session.message", text="hi\u2028and\u0085so", wait=True))["session"]
            exported = (await old.rpc("session.export", session=session))["jsonl"]
            imported = await new.rpc("session.import", jsonl=exported)
            theirs = await old.rpc("session.history", session=session)
            ours = await new.rpc("session.history", session=imported["id"])
            assert [entry["message"] for entry in ours["messages"]] == [
                entry["message"] for entry in theirs["messages"]
            ]
            answer = await new.rpc("session.message", session=imported["id"], text="more", wait=True)
            assert answer["reply"]["text"] == "again"

    run(main())


@pytest.mark.parametrize("jsonl", ["", "{", '{"seq":1}', "null\n"])
def test_lines_that_are_no_session_are_refused(jsonl: str) -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError) as caught:
                await gateway.rpc("session.import", jsonl=jsonl)
            return str(caught.value)

    assert '"code":-32602' in run(main())
