import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest
from aiohttp import WSMsgType

from carapax.config import Config, LimitsConfig
from carapax.contracts import ToolContext
from carapax.events import TextDelta
from carapax.testing import Pause
from carapax.testing.gateway import GatewayClient, gateway_client
from carapax.tool import tool
from tests.gateway.raw import RawConnection, burst, connect, eventually, statuses
from tests.running import run

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SHORT = Config(limits=LimitsConfig(socket_pong_timeout_s=0.9, socket_queue=50, sockets=3))


def frame(payload: bytes, opcode: int = 1, *, final: bool = True, masked: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([mask_bit | 127]) + len(payload).to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + payload


@asynccontextmanager
async def upgraded(gateway: GatewayClient) -> AsyncGenerator[RawConnection, None]:
    async with connect(gateway.url) as connection:
        connection.send(UPGRADE)
        assert statuses(await connection.read_head()) == [101]
        yield connection


async def close_code(connection: RawConnection) -> int:
    """The code of the close frame that ends what the server sends; 0 without one."""
    rest = await connection.read_to_end()
    place = rest.rfind(b"\x88")
    return int.from_bytes(rest[place + 2 : place + 4], "big") if place >= 0 else 0


def request(method: str, request_id: int = 1, **params: object) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


ABUSES = {
    "a frame of more than 64 KB": (frame(b"x" * 65_537)[:100], 1009),
    "a frame that claims to be endless": (b"\x81\xff" + b"\x7f" + b"\xff" * 7, 1009),
    "a message of more than 256 KB in frames": (
        frame(b"x" * 60_000, final=False) + frame(b"x" * 60_000, 0, final=False) * 4,
        1009,
    ),
    "bad UTF-8": (frame(b"\xff\xfe"), 1007),
    "half a character": (frame(b"\xe2\x82"), 1007),
    "a lone surrogate": (frame(b"\xed\xa0\x80"), 1007),
    "a binary message": (frame(b"\x00\x01", 2), 1003),
    "a reserved opcode": (frame(b"", 3), 1002),
    "a reserved control opcode": (frame(b"", 11), 1002),
    "a reserved bit": (b"\xc1\x80\x00\x00\x00\x00", 1002),
    "a long ping": (frame(b"x" * 126, 9), 1002),
    "a ping in pieces": (frame(b"x", 9, final=False), 1002),
    "a continuation of nothing": (frame(b"x", 0), 1002),
    "a message inside another": (frame(b"{", final=False) + frame(b"}"), 1002),
    "a close code that is not one": (frame((999).to_bytes(2, "big"), 8), 1002),
    "a close frame of one byte": (frame(b"\x03", 8), 1002),
}


def test_abuses_are_closed_with_their_code() -> None:
    async def main() -> dict[str, int]:
        found = {}
        async with gateway_client() as gateway:
            for name, (sent, _) in ABUSES.items():
                async with upgraded(gateway) as connection:
                    connection.send(sent)
                    connection.writer.write_eof()
                    found[name] = await close_code(connection)
        return found

    assert run(main()) == {name: code for name, (_, code) in ABUSES.items()}


def test_what_is_not_json_rpc_is_answered_and_the_socket_stays() -> None:
    async def main() -> list[object]:
        async with gateway_client() as gateway, gateway.socket() as socket:
            found = []
            for sent in ["", "{", "[]", "[1]", "null", "\x00", "[" * 60_000]:
                await socket.ws.send_str(sent)
                answer = msgspec.json.decode((await socket.ws.receive()).data)
                found.append((answer[0] if isinstance(answer, list) else answer)["error"]["code"])
            found.append(await socket.rpc("health"))
            return found

    assert run(main()) == [-32700, -32700, -32600, -32600, -32600, -32700, -32700, {"status": "ok"}]


def test_a_session_is_followed_from_a_seq_without_gap_while_it_streams() -> None:
    async def main() -> tuple[list[str], list[int]]:
        async with gateway_client(["one two three"]) as gateway, gateway.socket() as socket:
            session = (await socket.rpc("session.create"))["id"]
            await socket.rpc("session.message", session=session, text="go")
            await socket.rpc("session.subscribe", session=session, after=1)
            events = await socket.events_until("run_finished")
            kept = [event for event in events if event["event"]["kind"] != "text_delta"]
            text = [event["event"]["text"] for event in events if event["event"]["kind"] == "text_delta"]
            assert "one two three".endswith("".join(text))
            return [event["event"]["kind"] for event in kept], [event["seq"] for event in kept]

    kinds, seqs = run(main())
    assert kinds[-2:] == ["model_responded", "run_finished"]
    assert seqs == list(range(2, 2 + len(seqs)))


def test_a_subscription_can_be_ended_and_begun_again() -> None:
    async def main() -> list[str]:
        async with gateway_client(["first", "second"]) as gateway, gateway.socket() as socket:
            session = (await socket.rpc("session.create"))["id"]
            await socket.rpc("session.subscribe", session=session)
            await socket.rpc("session.unsubscribe", session=session)
            first = await socket.rpc("session.message", session=session, text="unseen", wait=True)
            await socket.rpc("session.subscribe", session=session, after=first["seq"])
            return [event["event"]["kind"] for event in await socket.events_until("run_finished")]

    kinds = run(main())
    assert kinds[-3:] == ["run_started", "model_responded", "run_finished"]
    assert "text_delta" not in kinds


def test_an_event_comes_once_to_who_watches_its_session_and_all_of_them() -> None:
    async def main() -> list[str]:
        async with gateway_client(["a b c"]) as gateway, gateway.socket() as socket:
            session = (await socket.rpc("session.create"))["id"]
            await socket.rpc("session.subscribe")
            await socket.rpc("session.subscribe", session=session, after=1)
            await socket.rpc("session.message", session=session, text="x", wait=True)
            await socket.rpc("session.create")
            return [event["event"]["kind"] for event in await socket.events_until("session_started")]

    kinds = run(main())
    assert kinds.count("message_received") == kinds.count("run_finished") == kinds.count("model_responded") == 1


def test_all_sessions_can_be_watched_at_once() -> None:
    async def main() -> tuple[set[str], set[str]]:
        async with gateway_client(["a", "b"]) as gateway, gateway.socket() as socket:
            await socket.rpc("session.subscribe")
            made = {(await socket.rpc("session.create"))["id"] for _ in range(2)}
            return made, {(await socket.event())["session"] for _ in range(2)}

    made, seen = run(main())
    assert made == seen


@pytest.mark.parametrize(
    ("params", "code"),
    [({"session": "none"}, -32004), ({"after": 3}, -32602), ({"session": "", "after": -1}, -32602), ({"x": 1}, -32602)],
)
def test_a_subscription_that_cannot_be_is_refused(params: dict[str, object], code: int) -> None:
    async def main() -> str:
        async with gateway_client() as gateway, gateway.socket() as socket:
            with pytest.raises(RuntimeError) as caught:
                await socket.rpc("session.subscribe", **params)
            return str(caught.value)

    assert f'"code":{code}' in run(main())


def test_a_seq_beyond_the_last_is_refused() -> None:
    async def main() -> str:
        async with gateway_client() as gateway, gateway.socket() as socket:
            session = (await socket.rpc("session.create"))["id"]
            with pytest.raises(RuntimeError) as caught:
                await socket.rpc("session.subscribe", session=session, after=99)
            return str(caught.value)

    assert '"code":-32602' in run(main())


def test_requests_run_at_the_same_time() -> None:
    pause = Pause()

    async def main() -> dict[str, str]:
        async with gateway_client([(pause, "late")]) as gateway, gateway.socket() as socket:
            session = (await socket.rpc("session.create"))["id"]
            waiting = request("session.message", 99, session=session, text="slow", wait=True)
            await socket.ws.send_str(waiting.decode())
            await pause.reached()
            answer: dict[str, str] = await socket.rpc("health")
            pause.release()
            return answer

    assert run(main()) == {"status": "ok"}


def test_a_flood_of_requests_is_answered_in_full() -> None:
    async def main() -> set[int]:
        async with gateway_client() as gateway, gateway.socket() as socket:
            for number in range(2000):
                await socket.ws.send_str(request("health", number).decode())
            async with asyncio.timeout(60):
                return {msgspec.json.decode((await socket.ws.receive()).data)["id"] for _ in range(2000)}

    assert run(main()) == set(range(2000))


def test_session_messages_are_limited_to_thirty_a_minute() -> None:
    async def main() -> int:
        async with gateway_client(lambda asked: "answer") as gateway, gateway.socket() as socket:
            session = (await socket.rpc("session.create"))["id"]

            async def say() -> bool:
                try:
                    await socket.rpc("session.message", session=session, text="hello")
                except RuntimeError as error:
                    assert msgspec.json.decode(str(error))["code"] == -32029
                    return False
                return True

            return await burst(say, 30)

    assert run(main()) == 30


def test_a_text_of_more_than_32_kb_is_for_http() -> None:
    async def main() -> tuple[str, int]:
        async with gateway_client(["read"]) as gateway, gateway.socket() as socket:
            session = (await socket.rpc("session.create"))["id"]
            with pytest.raises(RuntimeError) as caught:
                await socket.rpc("session.message", session=session, text="x" * 32_769)
            sent = await gateway.rpc("session.message", session=session, text="x" * 32_769)
            return str(caught.value), sent["seq"]

    error, seq = run(main())
    assert '"code":-32013' in error
    assert seq == 2


def test_a_peer_that_gives_no_sign_of_life_is_dropped() -> None:
    async def main() -> bytes:
        async with gateway_client(config=SHORT) as gateway, upgraded(gateway) as connection:
            return await connection.read_to_end()

    assert run(main()).startswith(b"\x89\x00")


def test_a_peer_that_answers_pings_stays() -> None:
    async def main() -> dict[str, str]:
        config = Config(limits=LimitsConfig(socket_pong_timeout_s=2.4))
        async with gateway_client(config=config) as gateway, gateway.socket(autoping=False) as socket:
            for _ in range(2):
                assert (await socket.ws.receive()).type is WSMsgType.PING
                await socket.ws.pong()
            answer: dict[str, str] = await socket.rpc("health")
            return answer

    assert run(main()) == {"status": "ok"}


def test_there_are_no_more_sockets_than_the_limit() -> None:
    async def main() -> int:
        async with gateway_client(config=SHORT) as gateway, AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(upgraded(gateway))
            connection = await stack.enter_async_context(connect(gateway.url))
            connection.send(UPGRADE)
            return statuses(await connection.read_head())[0]

    assert run(main()) == 503


async def fill(gateway: GatewayClient, session: str, more: Callable[[], bool]) -> None:
    """Stream into a session, with a breath after each piece, for as long as there is to be more."""
    while more():
        gateway.services.journal.stream(session, "run", TextDelta("x" * 4000))
        await asyncio.sleep(0)


def test_a_slow_reader_is_told_where_to_go_on() -> None:
    async def main() -> tuple[int | None, str]:
        config = Config(limits=LimitsConfig(socket_queue=50))
        async with gateway_client(config=config) as gateway, upgraded(gateway) as connection:
            session = (await gateway.services.sessions.create()).id
            connection.send(frame(request("session.subscribe", session=session, after=0)))
            await connection.reader.readuntil(b'"active":true')
            connection.stop_reading()
            left = iter(range(5000))
            await fill(gateway, session, lambda: next(left, None) is not None)
            connection.read_on()
            rest = await connection.read_to_end()
            place = rest.rfind(b"\x88")
            return int.from_bytes(rest[place + 2 : place + 4], "big"), rest[place + 4 :].decode()

    code, reason = run(main())
    assert code == 1013
    assert reason.startswith("too slow; subscribe to ")
    assert reason.endswith(" after 1")


def test_one_slow_reader_does_not_touch_another() -> None:
    async def main() -> int:
        config = Config(limits=LimitsConfig(socket_queue=50))
        async with gateway_client(config=config) as gateway, upgraded(gateway) as slow, gateway.socket() as quick:
            session = (await gateway.services.sessions.create()).id
            slow.send(frame(request("session.subscribe", session=session, after=0)))
            await slow.reader.readuntil(b'"active":true')
            slow.stop_reading()
            await quick.rpc("session.subscribe", session=session)
            seen = 0
            for _ in range(500):
                gateway.services.journal.stream(session, "run", TextDelta("x" * 4000))
                await quick.event()
                seen += 1
            return seen

    assert run(main()) == 500


def test_a_thousand_idle_sockets_are_held_and_let_go() -> None:
    async def main() -> tuple[int, bool]:
        async with gateway_client() as gateway:
            async with AsyncExitStack() as stack:
                for _ in range(1000):
                    await stack.enter_async_context(upgraded(gateway))
                held = len(gateway.gateway.held)
                answered = (await gateway.rpc("health"))["status"] == "ok"
            await eventually(lambda: len(gateway.gateway.held) == 0)
            return held, answered

    assert run(main()) == (1000, True)


def test_the_work_of_a_peer_that_leaves_is_dropped() -> None:
    pause = Pause()

    async def main() -> bool:
        async with gateway_client([(pause, "late")]) as gateway:
            session = (await gateway.services.sessions.create()).id
            async with upgraded(gateway) as connection:
                connection.send(frame(request("session.message", session=session, text="slow", wait=True)))
                await pause.reached()
            await eventually(lambda: len(gateway.gateway.held) == 0)
            pause.release()
            return await wait_for_answer(gateway, session)

    assert run(main())


def test_a_gateway_stops_while_the_work_of_a_peer_that_left_still_ends() -> None:
    begun, cancelled, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @tool(effects=("read",), rerun="pure")
    async def linger(context: ToolContext) -> str:
        """Take a while, and a while to be stopped."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
            await ended.wait()
        return ""

    async def main() -> int:
        async with gateway_client(tools=[linger]) as gateway:
            async with upgraded(gateway) as connection:
                connection.send(frame(request("tools.execute", tool="linger")))
                await begun.wait()
            await cancelled.wait()
            gateway.gateway.held.drop_all()
            ended.set()
            await eventually(lambda: len(gateway.gateway.held) == 0)
            return len(gateway.gateway.held)

    assert run(main()) == 0


async def wait_for_answer(gateway: GatewayClient, session: str) -> bool:
    """The message was accepted, so it is answered, whether its sender waits or not."""
    async with gateway.socket() as socket:
        await socket.rpc("session.subscribe", session=session, after=0)
        return bool((await socket.events_until("run_finished"))[-1]["event"]["reason"] == "done")


def test_stopping_closes_what_is_open() -> None:
    async def main() -> int | None:
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(gateway_client())
            connection = await stack.enter_async_context(upgraded(gateway))
            closing: Awaitable[int] = close_code(connection)
            gateway.gateway.held.drop_all()
            return await closing

    assert run(main()) == 1001


def test_limits_that_are_lowered_hold_for_what_is_open() -> None:
    async def main() -> list[str]:
        async with gateway_client(lambda asked: "answer") as gateway, gateway.socket() as socket:
            session, change = (await socket.rpc("session.create"))["id"], gateway.services.settings.change
            said, refused = {"session": session, "text": "x" * 200}, []

            async def say_what_is_refused() -> None:
                with pytest.raises(RuntimeError) as caught:
                    await socket.rpc("session.message", **said)
                refused.append(msgspec.json.decode(str(caught.value))["message"].partition(",")[0])

            await socket.rpc("session.message", **said)
            for name in ("socket_text_bytes", "message_bytes", "socket_messages_per_minute"):
                await change({("limits", name): 1})
                await say_what_is_refused()
                await change({("limits", name): None})
            await change({("limits", "json_depth"): 5})
            await socket.ws.send_str("[" * 6 + "]" * 6)
            refused.append((await socket.ws.receive_json())["error"]["message"])
            await change({("limits", "socket_frame_bytes"): 100})
            await socket.ws.send_str("x" * 101)
            refused.append(str((await socket.ws.receive()).data))
            return refused

    assert run(main()) == [
        "text has 200 bytes",
        "text has 200 bytes",
        "too many messages over this connection",
        "JSON is nested deeper than 5 levels",
        "1009",
    ]
