"""S9: secrets that come back are taken out: values in disguise through every sink, and what looks like a key."""

import random
import re
import string
import sysconfig
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from carapax.keyfamilies import families_in
from carapax.redactor import Redactor
from tests.proof.figures import Figure, shown

CORPORA = Path(__file__).parent.parent / "corpora"
LETTERS = {
    "w": string.ascii_letters + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "U": string.ascii_uppercase + "234567",
    "h": "0123456789abcdef",
    "n": string.digits,
    "u": string.ascii_letters + string.digits + "-_",
    "b": string.ascii_letters + string.digits + "+/",
}
AROUND = (
    "{}",
    "token: {}",
    'export KEY="{}"',
    "The key is {}, keep it.",
    '{{"value": "{}"}}',
    "https://example.com/?q={}&page=2",
    "remote: https://x:{}@git.example.com/repo",
    "\tkey\t=\t'{}';",
)
A_FAMILY = 10


def samples() -> Iterator[tuple[str, list[str], str]]:
    """Family, what of a key is by chance, and a line that holds the key."""
    chance = random.Random(9)
    for shape in (CORPORA / "keys.txt").read_text().splitlines():
        if shape.startswith("#"):
            continue
        for number in range(A_FAMILY):
            pieces: list[str] = []
            line = re.sub(r"\{(uuid|[a-zA-Z])(\d*)\}", lambda found: made(found, chance, pieces), shape)  # noqa: B023 - called at once
            named = re.search(r"[=:] ?['\"]?\S|Bearer ", shape.split("{")[0] + "x") is not None
            yield shape, pieces, line if named else AROUND[number % len(AROUND)].format(line)


def made(found: re.Match[str], chance: random.Random, pieces: list[str]) -> str:
    if found[1] == "uuid":
        pieces.append(str(uuid.UUID(int=chance.getrandbits(128), version=4)))
    else:
        pieces.append("".join(chance.choices(LETTERS[found[1]], k=int(found[2]))))
    return pieces[-1]


def honest_lines() -> Iterator[str]:
    """Lines that hold no key: prose, code, and what is random but no secret."""
    root = Path(__file__).parents[2]
    for file in [*sorted((root / "docs").rglob("*.md")), *sorted((root / "src").rglob("*.py"))]:
        yield from file.read_text().splitlines()
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:40]:
        yield from file.read_text(errors="replace").splitlines()
    chance = random.Random(10)
    for number in range(4000):
        digest = f"{chance.getrandbits(160):040x}"
        yield (
            f"commit {digest}",
            f"{uuid.UUID(int=chance.getrandbits(128), version=4)} done in {number} ms",
            f"sha256:{chance.getrandbits(256):064x}  image-{number}.tar.gz",
            f"  resolved https://registry.example.org/left-pad-{number}.tgz#{digest}",
            f'"integrity": "sha512-{"".join(chance.choices(LETTERS["b"], k=86))}=="',
            f"index {digest[:7]}..{digest[7:14]} 100644",
            f"2026-11-21T10:{number % 60:02}:11.{number:06}Z INFO request_id={digest[:32]} status=200",
            f"<img src='data:image/png;base64,{''.join(chance.choices(LETTERS['b'], k=60))}'>",
        )[number % 8]


def missed(redact: Callable[[str], str]) -> list[tuple[str, str]]:
    """The keys of which a part is still there."""
    return [
        (family, line)
        for family, pieces, line in samples()
        if any(piece in redact(line) for piece in pieces if len(piece) >= min(12, max(map(len, pieces))))
    ]


def test_what_looks_like_a_key_is_taken_out_and_honest_lines_stay() -> None:
    total = sum(1 for _ in samples())
    families = len({family for family, _, _ in samples()})
    left = missed(Redactor())
    caught = 100 * (total - len(left)) / total
    assert (total >= 2000, families >= 200) == (True, True)
    figure = shown(
        Figure("S9", f"{total} keys of {families} families", f"{caught:.2f} % caught", "at least 99 %", caught >= 99)
    )
    lines = list(honest_lines())
    false = [line for line in lines if list(families_in(line))]
    rate = 1000 * len(false) / len(lines)
    honest = shown(
        Figure("S9", f"{len(lines)} honest lines", f"{rate:.2f} in 1,000 changed", "at most 1 in 1,000", rate <= 1)
    )
    assert (figure.met, honest.met) == (True, True), (left[:20], false[:20])
