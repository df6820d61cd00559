import asyncio

import pytest

from carapax.events import MessageReceived
from carapax.testing import Pause
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_a_message_without_a_session_begins_one() -> None:
    async def main() -> None:
        async with gateway_client(["hello"]) as gateway:
            sent = await gateway.rpc("session.message", text="hi", wait=True)
            assert sent["reply"] == {
                "text": "hello",
                "finish": "done",
                "run": sent["reply"]["run"],
                "usage": {"input": 1, "output": 1},
            }
            history = await gateway.rpc("session.history", session=sent["session"])
            assert [entry["message"]["role"] for entry in history["messages"]] == ["user", "assistant"]

    run(main())


def test_a_conversation_finds_its_session_again() -> None:
    async def main() -> None:
        async with gateway_client(["a", "b", "c"]) as gateway:
            first = await gateway.rpc("session.message", text="1", conversation="mine", wait=True)
            second = await gateway.rpc("session.message", text="2", conversation="mine", wait=True)
            other = await gateway.rpc("session.message", text="3", conversation="yours", wait=True)
            assert first["session"] == second["session"] != other["session"]

    run(main())


def test_a_repetition_is_answered_as_before() -> None:
    async def main() -> None:
        async with gateway_client(["once"]) as gateway:
            first = await gateway.rpc("session.message", text="hi", dedupe_key="k", wait=True)
            again = await gateway.rpc("session.message", text="hi", dedupe_key="k", wait=True)
            assert again == {**first, "duplicate": True}
            assert len(gateway.model.requests) == 1
            assert len((await gateway.rpc("session.list"))["sessions"]) == 1

    run(main())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/messages", {"text": "hi", "dedupe_key": "k", "wait": True}),
        ("/v1/chat/completions", {"model": "carapax", "messages": [{"role": "user", "content": "hi"}]}),
    ],
)
def test_every_token_has_keys_of_its_own(path: str, said: dict[str, object]) -> None:
    async def main() -> int:
        async with gateway_client(["one", "two"]) as gateway:
            secrets = [(await gateway.services.tokens.create(name, ("write",)))[1] for name in ("a", "b")]
            for secret in (*secrets, *secrets):
                headers = {"Authorization": f"Bearer {secret.reveal()}", "Idempotency-Key": "k"}
                async with gateway.call("POST", path, json=said, headers=headers) as response:
                    assert response.ok
            return len(gateway.model.requests)

    assert run(main()) == 2


def test_the_answer_of_a_waiting_message_is_that_of_its_own_run() -> None:
    pause = Pause()

    async def main() -> None:
        async with gateway_client([("first", pause), "second"]) as gateway, asyncio.TaskGroup() as group:
            sent = await gateway.rpc("session.message", text="1")
            await pause.reached()
            waiting = group.create_task(gateway.rpc("session.message", session=sent["session"], text="2", wait=True))
            while (await gateway.rpc("session.get", session=sent["session"]))["seq"] < sent["seq"] + 2:
                await asyncio.wait([waiting], timeout=0.01)
            pause.release()
            assert (await waiting)["reply"]["text"] == "second"

    run(main())


def test_events_are_read_page_by_page() -> None:
    async def main() -> None:
        async with gateway_client(["hello"]) as gateway:
            session = (await gateway.rpc("session.message", text="hi", wait=True))["session"]
            whole = await gateway.rpc("session.events", session=session)
            after, found = 0, []
            while page := (await gateway.rpc("session.events", session=session, after=after, limit=2))["events"]:
                assert len(page) <= 2
                found += page
                after = page[-1]["seq"]
            assert found == whole["events"]
            assert whole["seq"] == len(whole["events"])

    run(main())


def test_a_subscription_needs_a_connection_that_stays() -> None:
    async def main() -> None:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError, match="works over /ws only"):
                await gateway.rpc("session.subscribe")

    run(main())


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u2003", "a\x00", "\x1b[2J", "a\x7f", "\x0b"])
def test_a_text_that_says_nothing_or_hides_something_is_refused(text: str) -> None:
    async def main() -> str:
        async with gateway_client() as gateway:
            with pytest.raises(RuntimeError) as caught:
                await gateway.rpc("session.message", text=text)
            assert (await gateway.rpc("session.list"))["sessions"] == []
            return str(caught.value)

    assert '"code":-32602' in run(main())


@pytest.mark.parametrize("text", ["é", "a\r\n\tb", " a ", "x" * 100_000, "\U0001f980", "a\u0085b"])
def test_every_other_text_is_taken_as_it_is(text: str) -> None:
    async def main() -> str:
        async with gateway_client(["yes"]) as gateway:
            session = (await gateway.rpc("session.message", text=text, wait=True))["session"]
            history = await gateway.rpc("session.history", session=session)
            said: str = history["messages"][0]["message"]["text"]
            return said

    assert run(main()) == text


def test_a_message_is_trusted_as_its_token_says() -> None:
    async def main() -> list[str]:
        found: list[str] = []
        async with gateway_client(["ok"] * 4) as gateway:
            for trust in ("owner", "known", "stranger"):
                made = await gateway.services.tokens.create("t", ("write",), trust=trust)
                headers = {"Authorization": f"Bearer {made[1].reveal()}"}
                body = {"text": "hello", "wait": True}
                async with gateway.call("POST", "/api/messages", json=body, headers=headers) as response:
                    session = (await response.json())["session"]
                body |= {"sender": {"trust": "owner"}}
                async with gateway.call("POST", "/api/messages", json=body, headers=headers) as response:
                    assert response.status == 400
                (event,) = [
                    each.event
                    for each in await gateway.services.journal.read(session)
                    if isinstance(each.event, MessageReceived)
                ]
                found.append(event.sender.trust)
        return found

    assert run(main()) == ["owner", "known", "stranger"]
