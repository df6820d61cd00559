import asyncio

import pytest

from carapax.config import AgentConfig, Config, GatewayConfig
from carapax.errors import Conflict, ModelUnauthorized
from carapax.events import RunFinished, StateChanged
from carapax.testing import Pause
from carapax.testing.gateway import gateway_client
from carapax.testing.provider import Answer
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


def test_sessions_are_found_by_their_titles_and_by_what_was_said_in_them() -> None:
    async def main() -> None:
        async with gateway_client(["It rains in Bergen, 100% of the time.", "two"]) as gateway:
            said = (await gateway.rpc("session.message", text='Where does it "rain"?', wait=True))["session"]
            await gateway.rpc("session.rename", session=said, title="weather")
            await gateway.rpc("session.message", session=said, text="and then?", wait=True)
            titled = (await gateway.rpc("session.create", title="Bergen by boat"))["id"]
            other = (await gateway.rpc("session.create", title="other"))["id"]

            async def find(query: str, **more: object) -> list[str]:
                listed = await gateway.rpc("session.list", query=query, **more)
                return [session["id"] for session in listed["sessions"]]

            assert await find("bergen") == [titled, said]
            assert await find("bergen", limit=1) == [titled]
            assert await find('"RAIN"') == [said]
            assert await find("0% of") == [said]
            assert [await find(query) for query in ("10_", "message_received", "usage", "!")] == [[]] * 4
            assert await find("", order="title") == [titled, other, said]
            listed = await gateway.rpc("session.list", query="bergen")
            assert listed["found"] == {said: "It rains in Bergen, 100% of the time."}

    run(main())


def test_sessions_are_filtered_by_agent_channel_and_state() -> None:
    pause = Pause()

    async def main() -> None:
        async with gateway_client([(pause, "done")]) as gateway:
            ended = (await gateway.rpc("session.create"))["id"]
            await gateway.rpc("session.end", session=ended)
            idle = (await gateway.rpc("session.create"))["id"]
            running = (await gateway.rpc("session.message", text="go"))["session"]
            await pause.reached()

            async def find(**filters: str) -> list[str]:
                return [session["id"] for session in (await gateway.rpc("session.list", **filters))["sessions"]]

            found = [await find(state=state) for state in ("ended", "idle", "running")]
            assert found == [[ended], [idle], [running]]
            assert await find(agent="main", channel="api", order="created") == [running, idle, ended]
            assert await find(agent="other") == await find(channel="telegram") == []
            pause.release()

    run(main())


def test_a_session_is_told_its_model_and_effort_until_they_are_taken_back() -> None:
    async def main() -> None:
        async with gateway_client(["a", "b", "c"]) as gateway:
            session = (await gateway.rpc("session.message", text="hi", wait=True))["session"]
            info = await gateway.rpc("session.configure", session=session, model="scripted/other", effort="high")
            assert info["model"] == "scripted/other"
            await gateway.rpc("session.message", session=session, text="hi", wait=True)
            await gateway.rpc("session.configure", session=session, model="", effort="")
            await gateway.rpc("session.message", session=session, text="hi", wait=True)
            asked = [(request.model, request.effort) for request in gateway.model.requests]
            assert asked[1] == ("other", "high")
            assert asked[0] == asked[2]
            await gateway.rpc("session.end", session=session)
            with pytest.raises(RuntimeError, match="has ended"):
                await gateway.rpc("session.configure", session=session, effort="low")

    run(main())


def test_a_session_goes_on_with_another_agent() -> None:
    """In its next runs, after a restart, and in copies; what it has read stays read."""
    pause = Pause()
    agents = {"main": AgentConfig(), "second": AgentConfig(title="Ada", tools=("read_file",))}

    async def main() -> None:
        config = Config(gateway=GatewayConfig(port=0), agents=agents)
        async with gateway_client(["a", "b", ("c", pause), "d"], config=config) as gateway:
            session = (await gateway.rpc("session.message", text="hi", wait=True))["session"]
            with pytest.raises(RuntimeError, match="there is no agent 'nobody'"):
                await gateway.rpc("session.configure", session=session, agent="nobody")
            assert (await gateway.rpc("session.configure", session=session, agent="second"))["agent"] == "second"
            await gateway.rpc("session.message", session=session, text="hi", wait=True)
            asked = gateway.model.requests[-1]
            assert ("You are Ada" in asked.system, [tool.name for tool in asked.tools]) == (True, ["read_file"])
            assert [type(message).__name__ for message in asked.messages][:2] == ["UserMessage", "AssistantMessage"]
            copy = await gateway.rpc("session.fork", session=session)
            assert (copy["agent"], (await gateway.services.journal.session(session)).agent) == ("second", "second")
            await gateway.rpc("session.message", session=session, text="hi")
            await pause.reached()
            with pytest.raises(RuntimeError, match="is running"):
                await gateway.rpc("session.configure", session=session, agent="main")
            await gateway.rpc("session.configure", session=session, agent="second", effort="low")
            pause.release()

    run(main())


def test_an_effort_that_is_none_is_not_taken_and_not_believed_in_an_imported_session() -> None:
    async def main() -> None:
        async with gateway_client(["a"]) as gateway:
            session = (await gateway.rpc("session.create"))["id"]
            with pytest.raises(RuntimeError, match="effort"):
                await gateway.rpc("session.configure", session=session, effort="huge")
            await gateway.services.journal.append(session, StateChanged("effort", ["huge"]))
            await gateway.rpc("session.message", session=session, text="hi", wait=True)
            assert gateway.model.requests[0].effort == "off"

    run(main())


def test_a_session_is_summed_up_on_request_but_not_while_it_runs_or_has_nothing_to_leave_out() -> None:
    pause = Pause()

    async def main() -> None:
        script: list[Answer] = ["one " * 500, "two", "- the cat is Ada", "They spoke of a cat.", "three", (pause, "")]
        async with gateway_client(script) as gateway:
            session = (await gateway.rpc("session.message", text="first", wait=True))["session"]
            with pytest.raises(RuntimeError, match="nothing of session"):
                await gateway.rpc("session.compact", session=session)
            await gateway.rpc("session.message", session=session, text="second", wait=True)
            done = await gateway.rpc("session.compact", session=session)
            assert (done["facts"], done["summary"]) == (["the cat is Ada"], "They spoke of a cat.")
            assert done["tokens_after"] < done["tokens_before"] / 2
            await gateway.rpc("session.message", session=session, text="third", wait=True)
            shown = [message.text for message in gateway.model.requests[-1].messages]
            assert "They spoke of a cat." in shown[0]
            assert shown[1:] == ["second", "two", "third"]
            await gateway.rpc("session.message", session=session, text="fourth")
            await pause.reached()
            with pytest.raises(RuntimeError, match="is running"):
                await gateway.rpc("session.compact", session=session)
            pause.release()

    run(main())


@pytest.mark.parametrize("by", ["a stop", "who asked going away"])
def test_a_summary_that_is_stopped_ends_its_run_and_the_session_goes_on(by: str) -> None:
    pause = Pause()

    async def main() -> None:
        script: list[Answer] = ["one", "two", (pause, "- never"), "three"]
        async with gateway_client(script) as gateway, asyncio.TaskGroup() as group:
            session = (await gateway.rpc("session.message", text="first", wait=True))["session"]
            await gateway.rpc("session.message", session=session, text="second", wait=True)

            async def compact() -> None:
                with pytest.raises(Conflict, match="was stopped"):
                    await gateway.services.sessions.compact(session)

            asked = group.create_task(compact())
            await pause.reached()
            if by == "a stop":
                assert await gateway.services.sessions.cancel(session)
            else:
                asked.cancel()
            await asyncio.wait([asked])
            kept = await gateway.services.journal.read(session)
            assert kept[-1].event == RunFinished("cancelled", "stopped on request")
            answer = await gateway.rpc("session.message", session=session, text="third", wait=True)
            assert answer["reply"]["text"] == "three"

    run(main())


def test_a_summary_that_fails_says_why_and_leaves_the_session_as_it_was() -> None:
    async def main() -> None:
        async with gateway_client(["one", "two", ModelUnauthorized("no key"), "three"]) as gateway:
            session = (await gateway.rpc("session.message", text="first", wait=True))["session"]
            await gateway.rpc("session.message", session=session, text="second", wait=True)
            with pytest.raises(RuntimeError, match="no key"):
                await gateway.rpc("session.compact", session=session)
            answer = await gateway.rpc("session.message", session=session, text="third", wait=True)
            assert answer["reply"]["text"] == "three"
            assert len(gateway.model.requests[-1].messages) == 5

    run(main())
