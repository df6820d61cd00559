"""How a secret may be written so that whoever looks for its letters does not find them."""

import base64
import gzip
import json
from collections.abc import Callable
from urllib.parse import quote

Disguise = Callable[[str], str]


def _base64(before: str) -> Disguise:
    return lambda secret: base64.b64encode(f"{before}{secret}, and more".encode()).decode()


def _wrapped(text: str, width: int) -> str:
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


DISGUISES: dict[str, Disguise] = {
    "plain": lambda secret: secret,
    "Base64": _base64(""),
    "Base64 one off": _base64("a"),
    "Base64 two off": _base64("ab"),
    "URL-safe Base64": lambda secret: base64.urlsafe_b64encode(f"\xff\xfe{secret}".encode()).decode(),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "upper hexadecimal": lambda secret: secret.encode().hex(":").upper(),
    "reversed": lambda secret: secret[::-1],
    "percent": lambda secret: quote(secret, safe=""),
    "percent everywhere": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "JSON": lambda secret: json.dumps({"echo": secret}),
    "JSON escapes": lambda secret: "".join(f"\\u{ord(letter):04x}" for letter in secret),
    "JSON in JSON": lambda secret: json.dumps(json.dumps({"echo": f'"{secret}"'})),
    "UTF-16": lambda secret: secret.encode("utf-16-le").decode("utf-8", "replace"),
    "Base64 of UTF-16": lambda secret: base64.b64encode(f"x{secret}".encode("utf-16-be")).decode(),
    "over lines": lambda secret: _wrapped(secret, 3),
    "Base64 over lines": lambda secret: _wrapped(_base64("abcd")(secret), 4),
    "indented": lambda secret: "\n    ".join(secret),
    "packed": lambda secret: _wrapped(base64.b64encode(gzip.compress(f"a secret: {secret}".encode())).decode(), 76),
    "upper case": str.upper,
    "HTML": lambda secret: "".join(f"&#{ord(letter)};" for letter in secret),
}
