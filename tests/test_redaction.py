import copy
import pickle

import msgspec
import pytest

from carapax.redaction import MASK, Secret, decode, encode, masked, without_userinfo

KEY = Secret("sk-very-secret")


@pytest.mark.parametrize("shown", [repr(KEY), str(KEY), f"{KEY}", f"{KEY:>20}", f"{[KEY]} {{'key': {KEY!r}}}"])
def test_a_secret_never_shows(shown: str) -> None:
    assert "very-secret" not in shown
    assert MASK in shown


def test_a_secret_is_not_written_as_json_and_not_pickled() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode({"key": KEY})
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(KEY)
    with pytest.raises(TypeError, match="never pickled"):
        copy.copy(KEY)


def test_who_sends_it_reads_it() -> None:
    assert KEY.reveal() == "sk-very-secret"
    assert Secret("sk-very-secret") == KEY and Secret("other") != KEY and KEY != "sk-very-secret"
    assert bool(KEY) and not Secret("")


def test_a_secret_is_read_from_a_configuration_and_never_written_into_one() -> None:
    class Table(msgspec.Struct):
        key: Secret = Secret("")

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
