"""Names that try to lead out of a folder: made by rules, the same from the same seed, evenly from all kinds."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import quote

_UP = {
    "plain": "../",
    "backslashes": "..\\",
    "mixed slashes": "..\\/",
    "doubled": "....//",
    "doubled, removed once": "..././",
    "many slashes": "..///",
    "with a dot": "./.././",
    "encoded": "%2e%2e%2f",
    "encoded slash": "..%2f",
    "encoded dots": "%2e%2e/",
    "encoded twice": "%252e%252e%252f",
    "encoded backslash": "..%5c",
    "overlong": "%c0%ae%c0%ae%c0%af",
    "overlong slash": "..%c0%af",
    "of 16 bits": "%u002e%u002e%u2215",
    "fraction slash": "..\u2044",
    "division slash": "..\u2215",
    "full width": "\uff0e\uff0e\uff0f",
    "leader dots": "\u2024\u2024/",
    "two dot leader": "\u2025/",
    "ideographic": "\u3002\u3002/",
    "hidden": ".\u200b./",
    "turned round": "\u202e../",
    "with spaces": ".. /",
    "with tabs": "..\t/",
    "with a null": "..\0/",
    "with an end of line": "..\n/",
    "escaped": "\\.\\./",
    "trailing dots": ".../",
    "semicolons": "..;/",
    "lone surrogate": "..\udc2f",
}
_BEFORE = ("", "/", "//", "./", "a/", "folder/", "link/", "file/", "~/", "~root/", "C:/", "C:\\", "\\\\?\\", "file://")
_ABOVE = ("", "/workspace/", "/workspace/../", "/proc/self/root", "/proc/self/cwd/", "/dev/fd/", "$HOME/", "${PWD}/")
_AFTER = ("", "/", "/.", ".", " ", "\0", "\0.txt", "%00", "%00.png", "?", "#", "::$DATA", "\n", "*", "\u0301")


def traversals(count: int, target: str, *, seed: int = 4) -> list[str]:
    """So many different names, each of which could lead to `target`, an absolute path, for somebody careless."""
    chosen = random.Random(seed)
    found: dict[str, None] = {}
    kinds = list(_kinds(chosen, target))
    turn = 0
    while len(found) < count:
        found.setdefault(kinds[turn % len(kinds)]())
        turn += 1
    return list(found)


def _kinds(chosen: random.Random, target: str) -> Iterator[Callable[[], str]]:
    leaf = target.rpartition("/")[2]
    tail = target.lstrip("/")

    def climbing(up: str) -> Callable[[], str]:
        def made() -> str:
            depth, goal = (
                chosen.choice((1, 1, 2, 2, chosen.randint(3, 12))),
                chosen.choice((leaf, tail, f"root/../{leaf}", f"outside/{leaf}")),
            )
            return chosen.choice(_BEFORE + _ABOVE) + up * depth + goal + chosen.choice(_AFTER)

        return made

    for up in _UP.values():
        yield climbing(up)
    yield lambda: chosen.choice(_BEFORE + _ABOVE) + target + chosen.choice(_AFTER)
    yield lambda: quote(chosen.choice(_ABOVE) + target, safe=chosen.choice(("", "/", "."))) + chosen.choice(_AFTER)
    yield lambda: "/".join(["a"] * chosen.randint(1, 300)) + "/.." * chosen.randint(1, 320) + f"/{leaf}"
    yield lambda: "../" * chosen.randint(100, 2000) + tail
    yield lambda: "x" * chosen.randint(200, 5000) + "/../" * chosen.randint(1, 5) + leaf
    yield (
        lambda: (
            unicodedata.normalize(chosen.choice(("NFC", "NFD", "NFKC")), f"\u00e9/../..\uff0f{leaf}")
            * chosen.randint(1, 3)
        )
    )
    yield lambda: "".join(chosen.choice((letter.upper(), letter.lower())) for letter in target) + chosen.choice(_AFTER)
    yield lambda: f"link{chosen.randint(0, 9)}/" * chosen.randint(1, 45) + chosen.choice((leaf, f"../{leaf}"))
    yield lambda: f"/proc/{chosen.choice(('self', 'thread-self', '1'))}/{chosen.choice(('root', 'cwd', 'fd/3'))}/{tail}"
