"""S10: what was meddled with in the vault is refused, and a stop in the middle of a change loses nothing."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapax import sealed
from carapax.clock import SystemClock
from carapax.errors import Broken, CarapaxError
from carapax.passphrase import Cost
from carapax.redaction import Secret
from carapax.sealed import Box, Record
from carapax.vault import Protection
from carapax.vaults.sealedfile import SealedFile
from tests.fakes.cut import Cut, cut_after
from tests.fakes.memory_keyring import OF_KEYRING, memory_keyring
from tests.proof.figures import Figure, bound, shown
from tests.running import run

VECTORS = Path(__file__).parent.parent / "corpora" / "wycheproof" / "aes_gcm_256.jsonl"
PASSPHRASE = Secret("a passphrase of the proof")
SECRETS = {"a": "one-secret-value", "b": "two-secret-value", "c/d": "another of them"}
NONCE_BYTES = 12
WAYS: dict[Protection, str] = {"key file": "key file", PASSPHRASE: "passphrase", "keyring": "keyring"}


@pytest.fixture(autouse=True)
def keyring() -> Iterator[None]:
    with memory_keyring():
        yield


def opened(folder: Path) -> SealedFile:
    return SealedFile(folder, SystemClock(), lambda: PASSPHRASE, Cost(memory_kib=32, passes=1, lanes=1))


def filled(folder: Path, by: Protection) -> Path:
    async def main() -> None:
        vault = opened(folder)
        for name, value in SECRETS.items():
            await vault.set(name, Secret(f"an older {value}"))
            await vault.set(name, Secret(value))
        if by != "key file":
            await vault.protect(by)

    run(main())
    return folder / "vault.json"


def read(folder: Path) -> dict[str, str] | None:
    """Everything that can be read; None where a part of it is refused."""

    async def main() -> dict[str, str] | None:
        vault = opened(folder)
        found: dict[str, str] = {}
        for name in SECRETS:
            if secret := await vault.get(name):
                found[name] = secret.reveal()
        return found

    try:
        return run(main())
    except CarapaxError:
        return None


def accepted(folder: Path, file: Path, changed: Iterator[bytes]) -> tuple[int, int]:
    """How many changed files were tried, and how many gave something else than what was kept."""
    whole, tried, wrong = file.read_bytes(), 0, 0
    for each in changed:
        file.write_bytes(each)
        tried += 1
        wrong += read(folder) not in (None, SECRETS)
    file.write_bytes(whole)
    assert read(folder) == SECRETS
    return tried, wrong


def test_the_vectors_of_wycheproof_open_as_they_say() -> None:
    vectors = [json.loads(line) for line in VECTORS.read_text().splitlines()]
    ours = [vector for vector in vectors if len(vector["iv"]) == 2 * NONCE_BYTES]
    wrong = [vector["tcId"] for vector in ours if opens(vector) != (vector["result"] == "valid")]
    forged = sum(vector["result"] == "invalid" for vector in ours)
    figure = shown(
        Figure(
            "S10", f"{len(ours)} vectors of Wycheproof, {forged} forged", f"{len(wrong)} judged wrongly", "0", not wrong
        )
    )
    assert (len(ours) > 50, forged > 20) == (True, True), (len(ours), forged)
    assert figure.met, wrong


def opens(vector: dict[str, str]) -> bool:
    part = {name: bytes.fromhex(vector[name]) for name in ("key", "iv", "ct", "tag", "aad", "msg")}
    record = Record(1, part["iv"], part["ct"] + part["tag"])
    try:
        return Box(part["key"], "here")._opened(record, part["aad"], "here") == part["msg"]
    except Broken:
        return False


def flips(whole: bytes) -> Iterator[bytes]:
    """Every byte changed, in its lowest bit and in one that turns letters into others."""
    for at, bit in itertools.product(range(len(whole)), (0x01, 0x02)):
        yield whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]


def cuts(whole: bytes) -> Iterator[bytes]:
    return (whole[:length] for length in range(0, len(whole), 3))


@pytest.mark.parametrize("by", WAYS, ids=WAYS.get)
def test_no_byte_can_be_changed(tmp_path: Path, by: Protection) -> None:
    file = filled(tmp_path, by)
    key = WAYS[by]
    tried, wrong = accepted(tmp_path, file, itertools.chain(flips(file.read_bytes()), cuts(file.read_bytes())))
    if by == "key file":
        more = accepted(tmp_path, tmp_path / "key", flips((tmp_path / "key").read_bytes()))
        tried, wrong = tried + more[0], wrong + more[1]
    figure = shown(
        Figure("S10", f"bytes flipped and cut off, with a {key}", f"{bound(wrong, tried)} accepted", "0", wrong == 0)
    )
    assert figure.met


def exchanged(folder: Path) -> Iterator[bytes]:
    """Records under other names, older ones in the place of newer ones, those of a file that grew from the same copy,
    and each of their parts by itself."""
    file = folder / "vault.json"
    now: dict[str, Any] = json.loads(file.read_bytes())
    run(opened(folder).set("a", Secret("a later value")))
    later: dict[str, Any] = json.loads(file.read_bytes())
    file.write_bytes(msgspec.json.encode(now))
    others = [now, older(folder), later, twin(folder)]
    file.write_bytes(msgspec.json.encode(now))
    for source, name, other in itertools.product(others, now["records"], now["records"]):
        yield changed(now, lambda found: found["records"].update({name: source["records"][other]}))  # noqa: B023 - at once
        for parts in (("version",), ("nonce",), ("sealed",), ("changed_at",), ("nonce", "sealed")):
            values = {part: source["records"][other][part] for part in parts}
            yield changed(now, lambda found: found["records"][name].update(values))  # noqa: B023 - called at once
    for source in others[1:]:
        yield changed(now, lambda found: found.update(seal=source["seal"]))  # noqa: B023 - called at once
        yield changed(now, lambda found: found.update(records=source["records"]))  # noqa: B023 - called at once
    for name in now["records"]:
        yield changed(now, lambda found: found["records"].pop(name))  # noqa: B023 - called at once


def older(folder: Path) -> dict[str, Any]:
    """The document of before, of which every record was replaced since."""
    found: dict[str, Any] = json.loads((folder / "older.json").read_bytes())
    return found


def twin(folder: Path) -> dict[str, Any]:
    """The document that came of the one of before in another way, with the same versions of everything."""
    (folder / "vault.json").write_bytes((folder / "older.json").read_bytes())
    run(put(folder, "another "))
    found: dict[str, Any] = json.loads((folder / "vault.json").read_bytes())
    return found


def changed(document: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> bytes:
    copy = json.loads(json.dumps(document))
    change(copy)
    return json.dumps(copy).encode()


def with_an_older_copy(folder: Path) -> Path:
    run(put(folder, "an older "))
    (folder / "older.json").write_bytes((folder / "vault.json").read_bytes())
    run(put(folder, ""))
    return folder / "vault.json"


async def put(folder: Path, before: str) -> None:
    vault = opened(folder)
    for name, value in SECRETS.items():
        await vault.set(name, Secret(before + value))


def test_no_record_stands_in_for_another_or_for_a_newer_one(tmp_path: Path) -> None:
    file = with_an_older_copy(tmp_path)
    tried, wrong = accepted(tmp_path, file, exchanged(tmp_path))
    figure = shown(
        Figure("S10", "records swapped, left out, brought back", f"{bound(wrong, tried)} accepted", "0", wrong == 0)
    )
    assert tried > 100
    assert figure.met


def test_a_stop_at_any_step_of_a_rotation_loses_nothing(tmp_path: Path) -> None:
    lost = [step for by in WAYS for step in stops(tmp_path, by)]
    wrong = sum(lost)
    figure = shown(
        Figure("S10", f"a stop at {len(lost)} steps of a rotation", f"{wrong} lost something", "0", wrong == 0)
    )
    assert len(lost) > 10
    assert figure.met


def stops(place: Path, by: Protection) -> Iterator[bool]:
    """For each step at which a rotation is stopped, whether something was lost."""
    for step in itertools.count(1):
        folder = place / f"{WAYS[by]}-{step}"
        filled(folder, by)
        with cut_after(step, also=OF_KEYRING) as steps, pytest.raises(Cut):
            run(rotated(folder))
            raise Cut
        if steps.taken < step:
            return
        yield read(folder) != SECRETS


async def rotated(folder: Path) -> None:
    await opened(folder).rotate()


def test_planted_without_what_belongs_to_a_record_others_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed, "_of", lambda name, version: b"")
    monkeypatch.setattr(sealed, "_whole", lambda records, version, lock: b"")
    file = with_an_older_copy(tmp_path)
    tried, wrong = accepted(tmp_path, file, exchanged(tmp_path))
    assert wrong > 10, tried
