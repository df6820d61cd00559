"""The record is the same, asked of a running gateway or read from its database."""

import pytest
from msgspec.structs import replace

from carapax.cli.asked import Asked
from carapax.cli.record import Record, open_record
from carapax.cli.serving import Serving
from carapax.cli.stored import Stored
from carapax.config import Home
from carapax.configfile import load
from carapax.errors import CarapaxError, NotFound
from carapax.events import Envelope, MessageReceived
from carapax.messages import Sender
from tests.cli.conftest import Run


def without_place(events: list[Envelope]) -> list[object]:
    return [without_trust(envelope.event) for envelope in events]


def without_trust(event: object) -> object:
    if not isinstance(event, MessageReceived):
        return event
    return replace(event, sender=Sender(event.sender.id), channel="", conversation="")


def check(record: Record, session: str) -> None:
    """What holds for every record that has one session."""
    assert [info.id for info in record.sessions(10)] == [session]
    events = list(record.events(session))
    assert [envelope.seq for envelope in events] == list(range(1, len(events) + 1))
    assert record.export(session).count(b"\n") == len(events)
    copy = record.import_(record.export(session))
    assert without_place(list(record.events(copy.id)))[1:] == without_place(events)[1:]
    fork = record.fork(session, 2)
    assert (fork.forked_from, fork.forked_at) == (session, 2)
    with pytest.raises(CarapaxError, match="no session"):
        list(record.events("missing"))
    token, secret = record.create_token("phone", ("read",), "known")
    assert secret.startswith("cpx_")
    assert [(kept.id, kept.name, kept.trust) for kept in record.tokens()] == [(token.id, "phone", "known")]
    record.revoke_token(token.id)
    assert record.tokens() == []
    with pytest.raises(CarapaxError, match="no token"):
        record.revoke_token(token.id)


def test_a_running_gateway_is_asked(home: Home, gateway: Serving, run: Run) -> None:
    assert run("chat", "-m", "what did I say").exit_code == 0
    record = open_record(home)
    assert isinstance(record, Asked)
    check(record, record.sessions(1)[0].id)


def test_a_session_larger_than_any_other_request_goes_through_a_running_gateway(
    home: Home, gateway: Serving, run: Run
) -> None:
    assert run("chat", "-m", "hello").exit_code == 0
    record = open_record(home)
    first, second, *_ = record.export(record.sessions(1)[0].id).splitlines(keepends=True)
    said = second.replace(b'"hello"', b'"%s"' % (b"hello " * 10_000))
    lines = first + b"".join(said.replace(b'"seq":2', b'"seq":%d' % seq) for seq in range(2, 42))
    assert len(lines) > load(home).limits.body_bytes * 2
    copy = record.import_(lines)
    assert copy.seq == 41
    assert len(record.export(copy.id)) > len(lines) // 2


def test_without_a_gateway_the_database_is_read(home: Home, run: Run) -> None:
    assert run("chat", "-m", "what did I say").exit_code == 0
    record = open_record(home)
    assert isinstance(record, Stored)
    check(record, record.sessions(1)[0].id)


def test_a_home_that_holds_nothing_says_so(home: Home) -> None:
    with pytest.raises(NotFound, match="holds nothing yet"):
        open_record(home).sessions(1)
