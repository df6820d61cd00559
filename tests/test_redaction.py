import copy
import pickle

import msgspec
import pytest

from carapax.redaction import MASK, Secret, decode, encode

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
