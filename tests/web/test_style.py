"""style.css and vendor/: colours that can be read in both themes, and parts that are what they say."""

import hashlib
import re
from pathlib import Path

import pytest

import carapax

WEB = Path(carapax.__file__).parent / "web"
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (WEB / "style.css").read_text(encoding="utf-8")
    )
}
PAIRS = [
    *(
        (text, ground)
        for text in ("ink", "soft", "faint", "accent")
        for ground in ("paper", "side", "raised", "sunken")
    ),
    *((text, "sunken") for text in ("tint-keyword", "tint-string", "tint-number")),
    *((text, "accent-soft") for text in ("ink", "soft", "faint")),
    ("ink", "bubble"),
    ("accent-ink", "accent"),
    ("bad", "bad-soft"),
    ("bad", "raised"),
    ("bad", "sunken"),
    ("warn", "warn-soft"),
    ("warn", "paper"),
    ("warn", "side"),
]


@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground_by_4_5_to_1_in_both_themes(text: str, ground: str) -> None:
    """WCAG 2.2, success criterion 1.4.3."""
    ratios = [_contrast(one, other) for one, other in zip(COLOURS[text], COLOURS[ground], strict=True)]
    assert min(ratios) >= 4.5, ratios


def test_vendored_files_are_pinned_by_their_checksums() -> None:
    vendor = WEB / "vendor"
    lines = re.findall(r"^(\w{64})  (.+)$", (vendor / "SHA256SUMS").read_text(encoding="utf-8"), re.M)
    files = [path for path in vendor.rglob("*") if path.is_file() and path.parent != vendor]
    found = [(hashlib.sha256(path.read_bytes()).hexdigest(), path.relative_to(vendor).as_posix()) for path in files]
    assert sorted(found) == sorted(lines)


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance of sRGB, as WCAG defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
