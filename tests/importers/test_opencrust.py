"""Reading the vault of OpenCrust."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carapax.errors import InvalidRequest
from carapax.importers.opencrust import is_vault, read
from carapax.redaction import Secret

SECRETS = {"ANTHROPIC_API_KEY": "sk-ant-0123456789", "TELEGRAM_BOT_TOKEN": "1:abc"}


def written(passphrase: str = "right") -> bytes:
    """As OpenCrust writes it, made with other means than it is read with."""
    salt, nonce = bytes(range(32)), bytes(range(12))
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, 600_000)
    sealed = AESGCM(key).encrypt(nonce, json.dumps(SECRETS).encode(), None)
    parts = {"salt": salt, "nonce": nonce, "ciphertext": sealed}
    return json.dumps({name: base64.b64encode(part).decode() for name, part in parts.items()}, indent=2).encode()


def test_everything_in_it_is_read_with_its_passphrase() -> None:
    assert is_vault(written())
    assert read(written(), Secret("right")) == {name: Secret(value) for name, value in SECRETS.items()}


def test_a_wrong_passphrase_and_a_damaged_file_are_told() -> None:
    whole = written()
    for data, passphrase in ((whole, "wrong"), (whole.replace(b'"nonce": "AA', b'"nonce": "BB'), "right")):
        with pytest.raises(InvalidRequest, match="wrong, or the file is damaged"):
            read(data, Secret(passphrase))
    short = json.dumps({"salt": "AA==", "nonce": "AA==", "ciphertext": ""}).encode()
    with pytest.raises(InvalidRequest, match="damaged"):
        read(short, Secret("right"))


@pytest.mark.parametrize("data", [b"", b"{}", b"A=1", b"\xff", b"[" * 5000, b'{"salt":1,"nonce":"","ciphertext":""}'])
def test_what_is_no_such_vault_is_not_taken_for_one(data: bytes) -> None:
    assert not is_vault(data)
    with pytest.raises(InvalidRequest, match="no vault of OpenCrust"):
        read(data, Secret("right"))
