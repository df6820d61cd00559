"""Finds an extension by its kind and name: the only dynamic import.

`find("tool", "shell")` is `carapax.tools.shell`; a name with a dot, such as `mycompany.tools.weather`, is any module.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, Literal

import msgspec

from carapax.errors import ConfigError

Kind = Literal["provider", "channel", "tool", "sandbox", "vault", "login", "embedder", "searcher"]
_FOLDERS: dict[Kind, str] = {
    "provider": "providers",
    "channel": "channels",
    "tool": "tools",
    "sandbox": "sandboxes",
    "vault": "vaults",
    "login": "logins",
    "embedder": "embedders",
    "searcher": "searchers",
}


def names(kind: Kind) -> list[str]:
    """The names of our own extensions of a kind, sorted. Nothing is imported but their folder."""
    package = importlib.import_module(f"carapax.{_FOLDERS[kind]}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def find(kind: Kind, name: str) -> ModuleType:
    """Import the module of an extension. Raises ConfigError for a name that nothing has."""
    path = name if "." in name else f"carapax.{_FOLDERS[kind]}.{name}"
    try:
        if not all(part.isidentifier() for part in path.split(".")):
            raise ModuleNotFoundError(name=path)
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not (path == error.name or path.startswith(error.name + ".")):
            raise ConfigError(f"{kind} {name!r} needs the package {error.name!r}", f"install {error.name}") from error
        known = ", ".join(names(kind)) or "none"
        raise ConfigError(f"there is no {kind} {name!r}", f"known: {known}; or give a dotted module path") from error


def configure(kind: Kind, name: str, module: ModuleType, section: dict[str, Any]) -> Any:
    """Check a raw section of the configuration against the module's `Config`, and return one.

    Raises ConfigError with the path of what does not fit.
    """
    if not hasattr(module, "Config"):
        raise ConfigError(f"{kind} {name!r} cannot be chosen: {module.__name__} has no Config")
    try:
        return msgspec.convert(section, module.Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"[{_FOLDERS[kind]}.{name}]: {error}") from error


def export(kind: Kind, name: str, module: ModuleType) -> Any:
    """The one class or tool a module offers: it stands in the module's `EXTENSION`. Raises ConfigError without one."""
    try:
        return module.EXTENSION
    except AttributeError:
        raise ConfigError(f"{kind} {name!r}: {module.__name__} has no EXTENSION") from None
