"""Passkeys, and everything that somebody could show instead of one."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carapax.errors import CarapaxError, Conflict, InvalidRequest, Unauthorized
from carapax.owner.challenges import Page
from carapax.owner.passkeys import Passkeys
from carapax.store.audit import LOCAL
from carapax.store.owner import OwnerRecord, Passkey
from carapax.testing import FakeClock
from carapax.testing.clock import START
from tests.fakes.authenticator import ATTESTED, PRESENT, VERIFIED, Authenticator, encoded
from tests.running import run
from tests.store.opened import opened_database

HERE = Page("gateway.example", "https://gateway.example")
Answer = dict[str, Any]


@asynccontextmanager
async def opened(folder: Path, clock: FakeClock) -> AsyncGenerator[tuple[Passkeys, OwnerRecord], None]:
    async with opened_database(folder / "a.db") as database:
        record = OwnerRecord(database, clock)
        yield Passkeys(record, clock), record


async def registered(passkeys: Passkeys, authenticator: Authenticator, name: str = "laptop") -> Passkey:
    options = await passkeys.begin_registration(HERE, "owner")
    return await passkeys.register(HERE, "owner", name, authenticator.create(options, HERE.origin), LOCAL)


def test_a_passkey_is_made_and_shown_again_and_again(tmp_path: Path) -> None:
    async def main() -> list[Passkey]:
        async with opened(tmp_path, FakeClock()) as (passkeys, record):
            laptop = Authenticator()
            made = await registered(passkeys, laptop)
            assert made == Passkey(encoded(laptop.id), "laptop", "gateway.example", START)
            for _ in range(2):
                assert (await passkeys.verify(HERE, laptop.get(passkeys.begin(HERE), HERE.origin))).id == made.id
            return await record.passkeys()

    (kept,) = run(main())
    assert kept.last_used_at == START


def test_one_without_a_counter_is_taken(tmp_path: Path) -> None:
    class Uncounted(Authenticator):
        def get(self, *given: Any, **named: Any) -> Answer:
            self.counter = -1
            return super().get(*given, **named)

    async def main() -> None:
        async with opened(tmp_path, FakeClock()) as (passkeys, _):
            authenticator = Uncounted()
            await registered(passkeys, authenticator)
            for _ in range(2):
                await passkeys.verify(HERE, authenticator.get(passkeys.begin(HERE), HERE.origin))

    run(main())


def test_the_options_ask_for_a_passkey_of_this_name_that_sees_its_owner(tmp_path: Path) -> None:
    async def main() -> tuple[Answer, Answer, Answer]:
        async with opened(tmp_path, FakeClock()) as (passkeys, _):
            first = await passkeys.begin_registration(HERE, "owner")
            await registered(passkeys, Authenticator(id=b"known"))
            return first, await passkeys.begin_registration(HERE, "owner"), passkeys.begin(HERE)

    first, second, get = run(main())
    assert first["rp"] == {"name": "Carapax", "id": "gateway.example"}
    assert first["user"]["id"] == second["user"]["id"] and len(first["user"]["id"]) == 43
    assert first["authenticatorSelection"]["residentKey"] == "required"
    assert first["authenticatorSelection"]["userVerification"] == get["userVerification"] == "required"
    assert [each["id"] for each in second["excludeCredentials"]] == [encoded(b"known")]
    assert (get["rpId"], get["allowCredentials"]) == ("gateway.example", [])
    assert len({first["challenge"], second["challenge"], get["challenge"]}) == 3


def cut(answer: Answer, name: str, change: Callable[[str], object]) -> Answer:
    response = {**answer["response"], name: change(answer["response"][name])}
    return {**answer, "response": response}


def other(key: Authenticator, counter: int = 5, flags: int = PRESENT | VERIFIED) -> Authenticator:
    """The same passkey, as somebody else has it."""
    return Authenticator(counter, flags, key.id, key.key)


FORGED: dict[str, Callable[[Authenticator, Answer], Answer]] = {
    "another origin": lambda key, asked: key.get(asked, "https://evil.example"),
    "the origin of another port": lambda key, asked: key.get(asked, "https://gateway.example:444"),
    "the origin without encryption": lambda key, asked: key.get(asked, "http://gateway.example"),
    "an origin that begins like ours": lambda key, asked: key.get(asked, "https://gateway.example.evil.example"),
    "another name": lambda key, asked: key.get(asked, HERE.origin, host="evil.example"),
    "another challenge": lambda key, asked: key.get({**asked, "challenge": encoded(bytes(32))}, HERE.origin),
    "no challenge": lambda key, asked: key.get({**asked, "challenge": ""}, HERE.origin),
    "a page in a frame": lambda key, asked: key.get(asked, HERE.origin, crossOrigin=True),
    "another ceremony": lambda key, asked: key.get(asked, HERE.origin, type="webauthn.create"),
    "nobody verified": lambda key, asked: other(key, flags=PRESENT).get(asked, HERE.origin),
    "nobody present": lambda key, asked: other(key, flags=VERIFIED).get(asked, HERE.origin),
    "a counter that went back": lambda key, asked: other(key, 0).get(asked, HERE.origin),
    "a counter that stood still": lambda key, asked: other(key, 1).get(asked, HERE.origin),
    "another key": lambda key, asked: Authenticator(5, id=key.id).get(asked, HERE.origin),
    "an unknown passkey": lambda key, asked: Authenticator(5).get(asked, HERE.origin),
    "another id inside": lambda key, asked: {**key.get(asked, HERE.origin), "rawId": encoded(b"other")},
    "another kind": lambda key, asked: {**key.get(asked, HERE.origin), "type": "password"},
    "a signature cut short": lambda key, asked: cut(key.get(asked, HERE.origin), "signature", lambda it: it[:-4]),
    "no signature": lambda key, asked: cut(key.get(asked, HERE.origin), "signature", lambda it: ""),
    "a number for a signature": lambda key, asked: cut(key.get(asked, HERE.origin), "signature", lambda it: 1),
    "short data": lambda key, asked: cut(key.get(asked, HERE.origin), "authenticatorData", lambda it: it[:20]),
    "long data": lambda key, asked: cut(key.get(asked, HERE.origin), "authenticatorData", lambda it: it + "AAAA"),
    "data without its key": lambda key, asked: other(key, flags=PRESENT | VERIFIED | ATTESTED).get(asked, HERE.origin),
    "no JSON": lambda key, asked: cut(key.get(asked, HERE.origin), "clientDataJSON", lambda it: "AAAA"),
    "JSON that is no object": lambda key, asked: cut(key.get(asked, HERE.origin), "clientDataJSON", lambda it: "W10"),
    "no base64": lambda key, asked: cut(key.get(asked, HERE.origin), "clientDataJSON", lambda it: "\u00e9"),
    "nothing": lambda key, asked: {},
    "no response": lambda key, asked: {"id": encoded(key.id), "response": None},
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_forged_is_refused_and_uses_its_question_up(tmp_path: Path, forged: str) -> None:
    async def main() -> str:
        async with opened(tmp_path, FakeClock()) as (passkeys, _):
            key = Authenticator()
            await registered(passkeys, key)
            for _ in range(2):
                await passkeys.verify(HERE, key.get(passkeys.begin(HERE), HERE.origin))
            asked = passkeys.begin(HERE)
            with pytest.raises(Unauthorized) as caught:
                await passkeys.verify(HERE, FORGED[forged](key, asked))
            key.counter = 10
            await passkeys.verify(HERE, key.get(passkeys.begin(HERE), HERE.origin))
            return str(caught.value)

    assert run(main()) == "the passkey was refused (try again, or sign in another way)"


def test_an_answer_is_taken_once_within_five_minutes_at_the_page_that_asked(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with opened(tmp_path, clock) as (passkeys, _):
            key = Authenticator()
            await registered(passkeys, key)
            answer = key.get(passkeys.begin(HERE), HERE.origin)
            await passkeys.verify(HERE, answer)
            late = key.get(passkeys.begin(HERE), HERE.origin)
            clock.advance(300)
            there = Page("other.example", "https://other.example")
            for page, shown in ((HERE, answer), (HERE, late), (there, key.get(passkeys.begin(there), there.origin))):
                with pytest.raises(Unauthorized):
                    await passkeys.verify(page, shown)

    run(main())


REGISTERED: dict[str, Callable[[Authenticator, Answer], Answer]] = {
    "another origin": lambda key, asked: key.create(asked, "https://evil.example"),
    "another name": lambda key, asked: key.create(asked, HERE.origin, host="evil.example"),
    "another challenge": lambda key, asked: key.create({**asked, "challenge": encoded(bytes(32))}, HERE.origin),
    "another ceremony": lambda key, asked: key.create(asked, HERE.origin, type="webauthn.get"),
    "a page in a frame": lambda key, asked: key.create(asked, HERE.origin, crossOrigin=True),
    "nobody verified": lambda key, asked: Authenticator(flags=PRESENT).create(asked, HERE.origin),
    "broken": lambda key, asked: cut(key.create(asked, HERE.origin), "attestationObject", lambda text: text[:40]),
    "nothing": lambda key, asked: {},
}  # fmt: skip


@pytest.mark.parametrize("forged", REGISTERED)
def test_nothing_is_kept_of_a_forged_registration(tmp_path: Path, forged: str) -> None:
    async def main() -> list[Passkey]:
        async with opened(tmp_path, FakeClock()) as (passkeys, record):
            options = await passkeys.begin_registration(HERE, "owner")
            answer = REGISTERED[forged](Authenticator(), options)
            with pytest.raises(InvalidRequest, match="the passkey was refused"):
                await passkeys.register(HERE, "owner", "x", answer, LOCAL)
            return await record.passkeys()

    assert run(main()) == []


def test_a_registration_is_finished_once_by_who_began_it(tmp_path: Path) -> None:
    async def main() -> list[type[CarapaxError]]:
        refusals = list[type[CarapaxError]]()
        async with opened(tmp_path, FakeClock()) as (passkeys, record):
            key = Authenticator()
            options = await passkeys.begin_registration(HERE, "owner")
            answer = key.create(options, HERE.origin)
            for whose, shown in (
                ("another", answer),
                ("owner", answer),
                ("owner", key.create(passkeys.begin(HERE) | {"rp": {"id": HERE.host}}, HERE.origin)),
            ):
                with pytest.raises(InvalidRequest) as caught:
                    await passkeys.register(HERE, whose, "x", shown, LOCAL)
                refusals.append(type(caught.value))
            await registered(passkeys, key)
            with pytest.raises(Conflict):
                await registered(passkeys, key)
            assert len(await record.passkeys()) == 1
        return refusals

    assert run(main()) == [InvalidRequest] * 3
