import pytest

from carapax.testing import Pause
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_a_session_is_made_named_listed_and_ended() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            made = await gateway.rpc("session.create", title="first", conversation="c1")
            assert (made["agent"], made["channel"], made["conversation"], made["title"]) == (
                "main",
                "api",
                "c1",
                "first",
            )
            renamed = await gateway.rpc("session.rename", session=made["id"], title="better")
            assert renamed["title"] == "better"
            assert (await gateway.rpc("session.get", session=made["id"]))["title"] == "better"
            other = await gateway.rpc("session.create")
            listed = (await gateway.rpc("session.list"))["sessions"]
            assert [session["id"] for session in listed] == [other["id"], made["id"]]
            page = (await gateway.rpc("session.list", limit=1, before=listed[0]["updated_at"]))["sessions"]
            assert [session["id"] for session in page] == [made["id"]]
            ended = await gateway.rpc("session.end", session=made["id"], reason="enough")
            assert ended["state"] == "ended"
            with pytest.raises(RuntimeError, match="has ended"):
                await gateway.rpc("session.end", session=made["id"])

    run(main())


def test_a_fork_goes_on_from_the_event_it_was_made_at() -> None:
    async def main() -> None:
        async with gateway_client(["one", "two", "other"]) as gateway:
            first = await gateway.rpc("session.message", text="a", wait=True)
            session = first["session"]
            upto = (await gateway.rpc("session.get", session=session))["seq"]
            await gateway.rpc("session.message", session=session, text="b", wait=True)
            copy = await gateway.rpc("session.fork", session=session, at=upto)
            assert (copy["forked_from"], copy["forked_at"]) == (session, upto)
            answer = await gateway.rpc("session.message", session=copy["id"], text="c", wait=True)
            assert answer["reply"]["text"] == "other"
            assert [message.text for message in gateway.model.requests[2].messages] == ["a", "one", "c"]
            with pytest.raises(RuntimeError, match="has no event 999"):
                await gateway.rpc("session.fork", session=session, at=999)

    run(main())


def test_a_run_is_cancelled() -> None:
    pause = Pause()

    async def main() -> None:
        async with gateway_client([(pause, "never")]) as gateway, gateway.socket() as socket:
            sent = await gateway.rpc("session.message", text="go")
            await pause.reached()
            assert (await gateway.rpc("session.cancel", session=sent["session"])) == {"cancelled": True}
            await socket.rpc("session.subscribe", session=sent["session"], after=0)
            finished = (await socket.events_until("run_finished"))[-1]
            assert finished["event"]["reason"] == "cancelled"
            assert (await gateway.rpc("session.cancel", session=sent["session"])) == {"cancelled": False}

    run(main())


@pytest.mark.parametrize("method", ["get", "end", "fork", "cancel", "events", "history", "export"])
def test_a_session_that_is_none_is_not_found(method: str) -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError) as caught:
                await gateway.rpc(f"session.{method}", session="none")
            return str(caught.value)

    assert '"code":-32004' in run(main())
