"""Messages that ask for a model of their own."""

import asyncio
from pathlib import Path

import pytest

from carapax.config import AgentConfig, Config, GatewayConfig
from carapax.events import MessageReceived, RunFinished, RunStarted
from carapax.testing import Pause, call
from carapax.testing.gateway import GatewayClient, gateway_client
from tests.agent.running import FunctionTool
from tests.api.real_models import gateway_on
from tests.running import run
from tests.sessions.opened import opened

ECHO = FunctionTool("echo", lambda given: f"you said {given.get('text')}")


def models(gateway: GatewayClient) -> list[str]:
    return [request.model for request in gateway.model.requests]


async def say(gateway: GatewayClient, session: str, text: str = "hi", **params: object) -> str:
    return str((await gateway.rpc("session.message", session=session, text=text, wait=True, **params))["session"])


def test_a_message_may_ask_for_another_model_which_answers_it_and_nothing_else() -> None:
    async def main() -> None:
        async with gateway_client(["a", "b", "c", "d"]) as gateway:
            session = (await gateway.rpc("session.create", model="scripted/usual"))["id"]
            await say(gateway, session)
            await say(gateway, session, provider="openrouter", model="maker/other")
            await say(gateway, session, model="openrouter/maker/third")
            await say(gateway, session)
            assert models(gateway) == ["usual", "maker/other", "maker/third", "usual"]
            kept = [envelope.event for envelope in await gateway.services.journal.read(session)]
            asked = [event.model for event in kept if isinstance(event, MessageReceived)]
            assert asked == ["", "openrouter/maker/other", "openrouter/maker/third", ""]

    run(main())


def test_a_session_that_a_message_begins_keeps_the_model_of_that_message() -> None:
    async def main() -> None:
        async with gateway_client(["a", "b"]) as gateway:
            session = await say(gateway, "", provider="p", model="m")
            await say(gateway, session)
            assert models(gateway) == ["m", "m"]

    run(main())


def test_of_messages_that_are_gathered_the_last_that_asks_counts() -> None:
    pause = Pause()

    async def main() -> None:
        config = Config(gateway=GatewayConfig(port=0), agents={"main": AgentConfig(queue="collect")})
        async with gateway_client([(pause, "a"), "b"], config=config) as gateway, asyncio.TaskGroup() as group:
            sent = await gateway.rpc("session.message", text="1")
            await pause.reached()
            session = sent["session"]
            for text, model in (("2", "p/two"), ("3", "p/three")):
                await gateway.rpc("session.message", session=session, text=text, model=model)
            last = group.create_task(say(gateway, session, "4"))
            while (await gateway.rpc("session.get", session=session))["seq"] < sent["seq"] + 5:
                await asyncio.wait([last], timeout=0.01)
            pause.release()
            await last
            assert models(gateway) == ["model", "three"]

    run(main())


def test_a_message_that_asks_for_another_model_does_not_steer_a_run_of_this_one() -> None:
    pause = Pause()

    async def main() -> None:
        async with (
            gateway_client([(pause, call("echo", text="x")), "done", "another"], tools=[ECHO]) as gateway,
            asyncio.TaskGroup() as group,
        ):
            sent = await gateway.rpc("session.message", text="1")
            await pause.reached()
            session = sent["session"]
            await gateway.rpc("session.message", session=session, text="and")
            other = group.create_task(say(gateway, session, "2", model="p/other"))
            while (await gateway.rpc("session.get", session=session))["seq"] < sent["seq"] + 4:
                await asyncio.wait([other], timeout=0.01)
            pause.release()
            await other
            assert models(gateway) == ["model", "model", "other"]
            runs = [
                event.event.messages
                for event in await gateway.services.journal.read(session)
                if isinstance(event.event, RunStarted)
            ]
            assert [len(messages) for messages in runs] == [1, 1]

    run(main())


def test_a_run_that_goes_on_after_a_restart_has_the_same_model(tmp_path: Path) -> None:
    async def main() -> None:
        pause = Pause()
        async with opened(tmp_path, [(pause, "never")]) as gateway:
            session = (await gateway.sessions.create()).id
            await gateway.ask(session, "p/other")
            await pause.reached()
            assert gateway.provider.requests[0].model == "other"
        async with opened(tmp_path, ["at last", "and"]) as gateway:
            await gateway.until(
                session, lambda kept: isinstance(kept.event, RunFinished) and kept.event.reason == "done"
            )
            assert gateway.provider.requests[0].model == "other"
            after = (await gateway.journal.session(session)).seq
            await gateway.say("again", session)
            await gateway.finished(session, after=after)
            assert gateway.provider.requests[1].model == "model"

    run(main())


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"model": "opanai/gpt-5"}, "did you mean openai"),
        ({"provider": "grok", "model": "llama"}, "did you mean groq"),
        ({"model": "qqqqq"}, 'models are named \\"provider/model\\"'),
        ({"model": "a\x07/b"}, "control characters"),
    ],
)
def test_a_provider_that_nobody_knows_is_refused_at_the_door(
    tmp_path: Path, params: dict[str, object], words: str
) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, Config()) as gateway:
            session = (await gateway.rpc("session.create", agent="main"))["id"]
            for target in ({}, {"session": session}):
                with pytest.raises(RuntimeError) as caught:
                    await gateway.rpc("session.message", text="hi", **target, **params)
                assert words in str(caught.value)
            assert (await gateway.rpc("session.get", session=session))["seq"] == 1
            if "provider" not in params:
                with pytest.raises(RuntimeError):
                    await gateway.rpc("session.create", **params)
            assert len((await gateway.rpc("session.list"))["sessions"]) == 1

    run(main())


def test_clients_of_the_openai_api_name_a_model_in_the_same_way() -> None:
    async def main() -> None:
        async with gateway_client(["a", "b"]) as gateway:
            for model, status in (("carapax", 200), ("p/maker/m", 200), ("gpt-5", 404)):
                body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
                async with gateway.call("POST", "/v1/chat/completions", json=body) as response:
                    assert response.status == status
            assert models(gateway) == ["model", "maker/m"]

    run(main())
