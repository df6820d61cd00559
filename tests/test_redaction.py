"""Secrets that cannot be printed by accident, whatever is done with them."""

import copy
import dataclasses
import json
import logging
import marshal
import pickle
import pprint
import reprlib
import string
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest

from carapax.redaction import MASK, Secret, decode, encode, masked, without_userinfo

KEY = Secret("sk-very-secret")


class Table(msgspec.Struct):
    key: Secret = Secret("")


@dataclasses.dataclass
class Row:
    key: Secret


class Line(NamedTuple):
    key: Secret


HOLDERS = [KEY, Table(KEY), Row(KEY), Line(KEY), [KEY], {"key": KEY}, {KEY: 1}, (KEY,), {KEY}]


@pytest.mark.parametrize("held", HOLDERS, ids=lambda held: type(held).__name__)
def test_a_secret_never_shows_whoever_holds_it(held: object) -> None:
    shown = [repr(held), str(held), ascii(held), f"{held}", f"{held!r:>40}", "%s %r %a" % (held, held, held)]  # noqa: UP031 - it is one of the ways
    shown += [pprint.pformat(held), reprlib.repr(held), string.Template("$it").substitute(it=held), f"{held=}"]
    for text in shown:
        assert "very-secret" not in text
        assert MASK in text


def test_a_secret_is_padded_as_its_mask_is_and_no_format_takes_it_apart() -> None:
    assert f"{KEY:>20}{KEY:.3}" == MASK + MASK
    for template in ("{0}", "{0._reveal}", "{0.reveal}", "{0.__class__}", "{0.__init__}"):
        assert "very-secret" not in template.format(KEY)
    assert not hasattr(KEY, "__dict__")
    assert "very-secret" not in repr(KEY.__getstate__())
    for attribute in dir(KEY):
        assert "very-secret" not in repr(getattr(KEY, attribute))


@pytest.mark.parametrize(
    "write",
    [
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        json.dumps,
        marshal.dumps,
        *(partial(pickle.dumps, protocol=protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy,
        copy.deepcopy,
        lambda secret: secret.__reduce_ex__(4),
        lambda secret: dataclasses.asdict(Row(secret)),
        bytes,
        list,
        vars,
        lambda secret: "".join([secret]),
        lambda secret: secret + "",
        lambda secret: json.dumps({"key": secret}, default=vars),
    ],
)
def test_a_secret_is_written_nowhere_by_accident(write: Callable[[Any], object]) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        write(KEY)
    assert "very-secret" not in str(caught.value)


def test_what_holds_a_secret_is_neither_pickled_nor_copied_deep() -> None:
    for held in (Table(KEY), Row(KEY), Line(KEY), [KEY]):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(held)
        with pytest.raises(TypeError, match="never pickled"):
            copy.deepcopy(held)
        with pytest.raises(TypeError):
            msgspec.json.encode(held)
    assert msgspec.json.encode(Table(KEY), enc_hook=encode) == b'{"key":"********"}'
    assert json.dumps({"key": KEY}, default=str) == '{"key": "********"}'


def test_logs_and_tracebacks_do_not_show_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test")

    def fail(key: Secret) -> None:
        header = Table(key)
        raise ValueError("it failed", key, header)

    with caplog.at_level(logging.DEBUG):
        log.info("%s %r", KEY, KEY)
        log.info("%(key)s", {"key": KEY})
        log.info(KEY)
        log.info("with", extra={"key": KEY})
        try:
            fail(KEY)
        except ValueError as error:
            log.exception("failed with %s", error)
            whole = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown = "".join([*whole.format(), *traceback.format_exception(error), repr(error), str(error)])
    written = caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    assert "very-secret" not in written + shown
    assert written.count(MASK) >= 6 and MASK in shown


def test_who_sends_it_reads_it() -> None:
    assert KEY.reveal() == "sk-very-secret"
    assert Secret("sk-very-secret") == KEY and Secret("other") != KEY and KEY != "sk-very-secret"
    assert bool(KEY) and not Secret("")


def test_a_secret_is_read_from_a_configuration_and_never_written_into_one() -> None:
    read = msgspec.convert({"key": "k"}, Table, dec_hook=decode)
    assert read == Table(Secret("k"))
    assert msgspec.to_builtins(read, enc_hook=encode) == {"key": MASK}
    assert msgspec.json.encode(Table(), enc_hook=encode) == b'{"key":""}'
    with pytest.raises(msgspec.ValidationError, match="expected `str`"):
        msgspec.convert({"key": 12345}, Table, dec_hook=decode)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@host/v1?x=1", f"https://{MASK}@host/v1?x=1"),
        ("https://host/v1?key=abc&x=1#top", f"https://host/v1?key={MASK}&x=1#top"),
        ("https://host/?api-version=2&subscription-key=abc", f"https://host/?api-version=2&subscription-key={MASK}"),
        ("see http://a/?Token=t and http://b/?sig=s.", f"see http://a/?Token={MASK} and http://b/?sig={MASK}"),
        ("https://host/keys?monkey_bars=2", "https://host/keys?monkey_bars=2"),
    ],
)
def test_what_a_url_holds_of_secrets_is_masked(url: str, shown: str) -> None:
    assert without_userinfo(url) == shown


def test_settings_that_are_called_secrets_are_masked_wherever_they_stand() -> None:
    settings = {"port": 1, "bot": {"token": "t", "api_key": "", "hosts": ["http://a:b@c", "d"]}, "max_tokens": 5}
    assert masked("", settings) == {
        "port": 1,
        "bot": {"token": MASK, "api_key": "", "hosts": [f"http://{MASK}@c", "d"]},
        "max_tokens": 5,
    }


@pytest.mark.parametrize(
    "name",
    ["secret_access_key", "X-Api-Key", "api-key", "signing_key", "passphrase", "bot_token", "cookie", "password"],
)
def test_a_setting_of_such_a_name_is_masked_whatever_it_is(name: str) -> None:
    assert [masked(name, value) for value in ("value", 12345678, True, "")] == [MASK, MASK, True, ""]
