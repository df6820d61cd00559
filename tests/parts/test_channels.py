"""Channels that come, change and go while the gateway runs."""

import asyncio
from pathlib import Path

import pytest

from carapax.errors import Broken, Unavailable
from tests.fakes.live_channel import OPEN, SILENT, TAKEN, TRIED
from tests.fakes.live_sandbox import MISSING
from tests.parts.live import FILE, gateway_on, until
from tests.running import run

NAME = "tests.fakes.live_channel"


def test_a_channel_comes_changes_and_goes(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, FILE, ["one", "two"]) as (gateway, _):
            settings = gateway.services.settings
            await settings.change({("channels", NAME): {"greeting": "first"}, ("door", "live", "owners"): ["ann"]})
            [first] = OPEN
            await first.say("hi")
            assert (await first.reply()).text == "one"
            await settings.change({("channels", NAME, "greeting"): "second"})
            [second] = OPEN
            assert (second.config.greeting, second.config.port) == ("second", 1)
            await second.say("hi again")
            assert (await second.reply()).text == "two"
            await settings.change({("channels", NAME): None})
            await until(lambda: not OPEN)
            assert set() == TAKEN

    run(main())


def test_a_channel_that_cannot_be_opened_so_stays_as_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        text = f'{FILE}[channels."{NAME}"]\nport = 5\n'
        TAKEN.add(6)
        async with gateway_on(tmp_path, text, ["still here"]) as (gateway, file):
            with pytest.raises(Unavailable, match="port 6 is taken"):
                await gateway.services.settings.change({("channels", NAME, "port"): 6, ("log", "level"): "debug"})
            [channel] = OPEN
            assert (channel.config.port, file.read_text()) == (5, text)
            assert gateway.services.config.log.level == "info"
            await channel.say("hi")
            assert (await channel.reply()).text == "still here"
        TAKEN.discard(6)
        assert ([], set()) == (OPEN, TAKEN)

    run(main())


def test_a_file_that_failed_for_a_passing_reason_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("carapax.settings.FIRST_WAIT_S", 0.01)

    async def main() -> None:
        text = f'{FILE}[channels."{NAME}"]\nport = 5\n'
        TAKEN.add(6)
        before = TRIED.count(6)
        async with gateway_on(tmp_path, text) as (gateway, file):
            settings = gateway.services.settings
            file.write_text(text.replace("5", "6"))
            await until(lambda: settings.problem is not None and TRIED.count(6) > before + 2)
            assert caplog.text.count("carapax.toml is not in force") == 1
            TAKEN.discard(6)
            await until(lambda: settings.problem is None)
            assert [channel.config.port for channel in OPEN] == [6]

    run(main())


def test_what_is_lacking_is_tried_each_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox comes back while the try of a channel hangs."""
    monkeypatch.setattr("carapax.settings.FIRST_WAIT_S", 0.05)

    async def main() -> None:
        text = FILE.replace("local", "tests.fakes.live_sandbox")
        MISSING.add("")
        async with gateway_on(tmp_path, f'{text}[channels."{NAME}"]\nport = 5\n') as (gateway, _):
            OPEN[0].loses_its_port = True
            TAKEN.add(6)
            with pytest.raises(Unavailable, match="port 6 is taken"):
                await gateway.services.settings.change({("channels", NAME, "port"): 6})
            SILENT.add(5)
            tried = len(TRIED)
            await until(lambda: len(TRIED) > tried)
            MISSING.clear()
            await until(lambda: gateway.services.sessions.status().sandbox_ok)
            SILENT.clear()
        TAKEN.clear()

    run(main())


def test_a_channel_that_was_lost_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was closed for a change that could not be made, and whose port was taken by then."""
    monkeypatch.setattr("carapax.settings.FIRST_WAIT_S", 0.05)

    async def main() -> None:
        async with gateway_on(tmp_path, f'{FILE}[channels."{NAME}"]\nport = 5\n', ["back"]) as (gateway, _):
            OPEN[0].loses_its_port = True
            TAKEN.add(6)
            with pytest.raises(Unavailable, match="port 6 is taken"):
                await gateway.services.settings.change({("channels", NAME, "port"): 6})
            assert OPEN == []
            TAKEN.clear()
            await until(lambda: len(OPEN) == 1)
            await OPEN[0].say("hi")
            assert ((await OPEN[0].reply()).text, OPEN[0].config.port) == ("back", 5)

    run(main())


def test_a_channel_that_was_lost_holds_up_neither_another_one_nor_another_change(tmp_path: Path) -> None:
    other = "tests.fakes.other_channel"

    async def main() -> None:
        text = f'{FILE}[channels."{NAME}"]\nport = 5\n[channels."{other}"]\nport = 7\n'
        async with gateway_on(tmp_path, text) as (gateway, _):
            settings = gateway.services.settings
            for channel in OPEN:
                channel.loses_its_port = True
            TAKEN.add(6)
            with pytest.raises(Unavailable, match="port 6 is taken"):
                await settings.change({("channels", name, "port"): 6 for name in (NAME, other)})
            TAKEN.discard(7)
            await settings.change({("agents", "main", "title"): "Ada"})
            assert [channel.name for channel in OPEN] == ["other"]
            with pytest.raises(Unavailable, match="port 6 is taken"):
                await settings.change({("channels", NAME, "port"): 6})
        TAKEN.clear()

    run(main())


def test_a_lost_channel_that_never_answers_holds_up_neither_a_change_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carapax.settings.FIRST_WAIT_S", 0.01)

    async def main() -> None:
        async with asyncio.timeout(30), gateway_on(tmp_path, f'{FILE}[channels."{NAME}"]\nport = 5\n') as (gateway, _):
            OPEN[0].loses_its_port = True
            TAKEN.add(6)
            with pytest.raises(Unavailable, match="port 6 is taken"):
                await gateway.services.settings.change({("channels", NAME, "port"): 6})
            SILENT.add(5)
            tried = len(TRIED)
            await until(lambda: len(TRIED) > tried)
            SILENT.clear()
            TAKEN.clear()
            await gateway.services.settings.change({("agents", "main", "title"): "Ada"})
            assert [channel.config.port for channel in OPEN] == [5]
        assert ([], set()) == (OPEN, TAKEN)

    run(main())


def test_a_channel_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carapax.parts.channels.OPENS_WITHIN_S", 0.1)

    async def main() -> None:
        async with gateway_on(tmp_path, f'{FILE}[channels."{NAME}"]\nport = 5\n') as (gateway, _):
            SILENT.add(6)
            with pytest.raises(Unavailable, match=f"channel {NAME} was not open within 0.1 s"):
                await gateway.services.settings.change({("channels", NAME, "port"): 6})
            SILENT.clear()
            assert [channel.config.port for channel in OPEN] == [5]

    run(main())


def test_who_a_channel_s_people_are_is_read_when_they_speak(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, f'{FILE}[channels."{NAME}"]\n', ["a", "b"]) as (gateway, _):
            [channel] = OPEN
            session = (await channel.say("hi")).session
            await gateway.services.settings.change({("door", "live", "owners"): ["ann"]})
            await channel.say("hi")
            events = (await gateway.rpc("session.events", session=session))["events"]
            received = [event["event"] for event in events if event["event"]["kind"] == "message_received"]
            assert [event["sender"].get("trust", "owner") for event in received] == ["stranger", "owner"]

    run(main())


def test_a_port_that_one_channel_leaves_is_free_for_another_in_the_same_change(tmp_path: Path) -> None:
    other = "tests.fakes.other_channel"

    async def main() -> None:
        text = f'{FILE}[channels."{NAME}"]\nport = 5\n'
        async with gateway_on(tmp_path, text) as (gateway, _):
            settings = gateway.services.settings
            await settings.change({("channels", NAME): None, ("channels", other): {"port": 5}})
            assert [(channel.name, channel.config.port) for channel in OPEN] == [("other", 5)]
            await settings.change({("channels", NAME): {"port": 6}})
            await settings.change({("channels", NAME, "port"): 5, ("channels", other, "port"): 6})
            assert {channel.name: channel.config.port for channel in OPEN} == {"live": 5, "other": 6}

    run(main())


def test_a_channel_that_fails_to_close_changes_nothing_and_is_open_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_on(tmp_path, f'{FILE}[channels."{NAME}"]\n', ["still here"]) as (gateway, _):
            OPEN[0].fails_to_close = True
            with pytest.raises(Broken, match="channel"):
                await gateway.services.settings.change({("channels", NAME, "greeting"): "new"})
            [channel] = OPEN
            await channel.say("hi")
            assert ((await channel.reply()).text, channel.config.greeting) == ("still here", "")

    run(main())
