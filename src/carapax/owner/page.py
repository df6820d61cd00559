"""Under which names of the gateway passkeys can be used, and what browsers call themselves."""

import ipaddress
import re
from urllib.parse import urlsplit

from carapax.owner.challenges import Page

_BROWSERS = ("Edg", "OPR", "Firefox", "CriOS", "Chrome", "Safari")
_SHOWN = {"Edg": "Edge", "OPR": "Opera", "CriOS": "Chrome"}
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "CrOS", "Linux")


def page_at(origin: str) -> Page | None:
    """The page of this origin as passkeys are bound to it, or None where browsers have none: at an address that is no
    name, and where what is sent is not encrypted, other than on this machine."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if not _is_name(host) or not (parts.scheme == "https" or host == "localhost"):
        return None
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return Page(host, f"{parts.scheme}://{host}{port}")


def browser_of(agent: str) -> str:
    """What a browser calls itself and its system, in two words; a program by its own name."""
    name = next((each for each in _BROWSERS if f"{each}/" in agent), "")
    system = next((each for each in _SYSTEMS if each in agent), "")
    if not name:
        return re.sub(r"[^\x21-\x7e].*", "", agent)[:40]
    shown = _SHOWN.get(name, name)
    return f"{shown}, {system.replace('Mac OS X', 'macOS').replace('CrOS', 'ChromeOS')}" if system else shown


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host)
    return False
