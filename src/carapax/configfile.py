"""Reads `carapax.toml`, says all that is wrong with it, and writes it for a new home."""

import difflib
import hashlib
import math
import os
import random
import re
import socket
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Struct

from carapax import durable
from carapax.config import Config, Home, is_loopback
from carapax.configdoc import explain, listed_table_type, named_table_type, table_type, toml, toml_key
from carapax.errors import ConfigError, StoreError, Unavailable
from carapax.keyfamilies import families_in
from carapax.redaction import decode, encode

_PORTS = range(20_000, 30_000)  # below what systems hand out to outgoing connections, so it stays free
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MODEL = re.compile(r"[A-Za-z0-9][\w-]*/\S(.*\S)?")
_OF_EXTENSIONS = ("channels", "tools", "sandboxes")
_LONGER = re.compile(r"Expected `str` of length <= (\d+)")
_REGEX = re.compile(r"Expected `str` matching regex '.*'", re.DOTALL)
_USERINFO = re.compile(r"\s*[a-z][a-z0-9+.-]*://[^/?#\s]*@", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIKELY_SECRET = re.compile(
    r"\b(sk|pk|rk|xoxb|xoxp|ghp|gho|glpat|AIza|AKIA|hf|gsk|cpx)[-_][A-Za-z0-9_-]{16,}|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\bAKIA[A-Z0-9]{12,}|\b\d{8,10}:[A-Za-z0-9_-]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)

Route = tuple[str, ...]
"""Where something stands: the keys that lead to it."""

Look = Callable[[Config], Iterator[tuple[Route, str]]]
"""Looks for more that is wrong, given what of the configuration fits its types."""

NO_FILE = "none"
"""The digest of a file that is not there."""

MOST_CHARACTERS = 1_000_000
_MOST_BYTES = 4 * MOST_CHARACTERS


class Source(NamedTuple):
    """What a file says, and the SHA-256 of its bytes in hex."""

    text: str
    digest: str


class Misfit(NamedTuple):
    """What is wrong at a place: the keys that lead there, and the number of the line, 0 where it has none."""

    path: Route
    line: int
    problem: str


class Unusable(ConfigError):
    """A text that is no configuration; `misfits` is all that is wrong with it."""

    def __init__(self, name: str, misfits: list[Misfit]) -> None:
        super().__init__("\n".join(_place(name, misfit) + misfit.problem for misfit in misfits))
        self.misfits = misfits


def load(home: Home, look: Look | None = None) -> Config:
    """The configuration of a home; the defaults when there is no file yet.

    Raises ConfigError with everything that does not fit, one problem a line, each with its place and a remedy.
    """
    return parse(read(home).text, str(home.config_file), look)


def read(home: Home) -> Source:
    """What the file of a home says; nothing when it is not there. Raises ConfigError for one that cannot be read."""
    file = home.config_file
    try:
        if not file.is_file() and (file.exists() or file.is_symlink()):
            raise ConfigError(f"{file} cannot be read: it is no file", "move it away")
        if file.stat().st_size > _MOST_BYTES:
            raise ConfigError(
                f"{file} has more than {_MOST_BYTES} bytes", "a configuration is shorter: look what it is"
            )
        data = file.read_bytes()
        return Source(data.decode("utf-8-sig"), hashlib.sha256(data).hexdigest())
    except FileNotFoundError:
        return Source("", NO_FILE)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unusable(str(file), [Misfit((), line, f"not UTF-8 text at byte {error.start}")]) from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error


def parse(text: str, name: str = "carapax.toml", look: Look | None = None) -> Config:
    """The configuration written in `text`; `name` is what errors call it. Raises Unusable."""
    if len(text) > MOST_CHARACTERS:
        problem = f"has {len(text)} characters, more than {MOST_CHARACTERS}"
        raise Unusable(name, [Misfit((), 0, problem)])
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column \d+\)", str(error))
        line = int(at[1]) if at else 0
        problem = f"not TOML: {str(error).removesuffix(at[0] if at else '')}"
        raise Unusable(name, [Misfit((), line, problem)]) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise Unusable(name, [Misfit((), 0, f"not TOML that can be read: {error}")]) from error
    found = list(problems(Config, table))
    for path, _ in found:
        _remove(table, path)
    config = msgspec.convert(table, Config, dec_hook=decode)
    found += look(config) if look else ()
    if found:
        lines = _lines(text)
        raise Unusable(name, [Misfit(path, _line(lines, path), problem) for path, problem in found])
    return config


def problems(kind: type[Struct], table: dict[str, Any], path: Route = ()) -> Iterator[tuple[Route, str]]:
    """What does not fit a table of this type, which stands at `path`."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, value in table.items():
        here = (*path, name)
        if name not in fields:
            yield here, "unknown key" + suggestion(name, list(fields))
        elif inner := table_type(fields[name].type):
            yield from _table_problems(inner, value, here)
        elif inner := named_table_type(fields[name].type):
            yield from _named_problems(inner, value, here)
        elif inner := listed_table_type(fields[name].type):
            yield from _listed_problems(inner, value, here)
        else:
            yield from _value_problems(fields[name].type, value, here)
    for name, field in fields.items():
        if field.required and name not in table:
            yield path, f"the key {name!r} is missing"


def first_start(home: Home) -> bool:
    """Make the home private, and write its `carapax.toml` with a free port unless there is one; whether it wrote it.

    Raises StoreError when the home cannot be written, Forbidden for root in the home of another user.
    """
    durable.refuse_root(home.config_dir, home.data_dir)
    try:
        for folder in (home.config_dir, home.data_dir, home.run_file.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home.config_file.exists():
            return False
        return _write_once(home.config_file, explain(free_port()))
    except OSError as error:
        raise StoreError(
            f"{error.filename or home.config_dir} cannot be written: {error.strerror}",
            "make it writable, or choose another home with --home",
        ) from error


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at the moment."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as candidate:
            try:
                candidate.bind((host, port))
            except OSError:
                continue
            return port
    raise Unavailable(f"found no free port on {host}", "set gateway.port to one")


def warnings(config: Config) -> list[str]:
    """What is allowed but not safe, one sentence each, with the remedy."""
    return list(_warnings(config))


def _warnings(config: Config) -> Iterator[str]:
    if not is_loopback(config.gateway.host):
        yield (
            f"gateway.host = {config.gateway.host!r} is reached from other machines: nothing is answered there until "
            "`carapax token create` made a token"
        )
        if config.tls.mode == "off":
            yield 'tls.mode = "off": what crosses the network is readable, tokens too, unless a proxy encrypts it'
    if "*" in config.gateway.allowed_origins:
        yield 'gateway.allowed_origins has "*": every web page you open may call the gateway; name the origins'
    for name, agent in config.agents.items():
        if agent.sandbox == "local":
            yield f'agents.{name}.sandbox = "local": commands run with all your rights; "bubblewrap" confines them'
    if config.sandboxes.get("bubblewrap", {}).get("seccomp") is False:
        yield "sandboxes.bubblewrap.seccomp = false: commands make any system call; leave it out where a filter works"
    for name, provider in config.providers.items():
        host = re.sub(r"^http://(\[[^\]]*\]|[^/:]*).*$", r"\1", provider.base_url).strip("[]")
        if provider.key:
            yield f"providers.{name}.key stands readable here: `carapax models add {name}` keeps it in the vault"
        if (provider.key or provider.key_env) and provider.base_url.startswith("http://") and not is_loopback(host):
            yield f"providers.{name}.base_url is http: the key and all messages cross the network readable; use https"
    for path in _secrets(msgspec.to_builtins(config, enc_hook=encode), ()):
        yield f"{dotted(path)} looks like a secret: keep it in the vault or an environment variable"


def _secrets(value: object, path: Route) -> Iterator[Route]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, (*path, name))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, path)
    elif isinstance(value, str) and looks_secret(path[-1], value):
        yield path


def looks_secret(name: str, value: str) -> bool:
    """Whether the value of a key of this name has the shape of a secret."""
    return bool(_LIKELY_SECRET.search(value) or any(families_in(value)) or any(families_in(f'{name} = "{value}"')))


def _remove(table: dict[str, Any], path: Route) -> None:
    """Take out what stands at a path; of a list of tables all, for the others would be counted anew."""
    for step in path[:-1]:
        if isinstance(table.get(step), list):
            table.pop(step)
            return
        table = table.get(step, {})
    table.pop(path[-1], None)


def _table_problems(kind: type[Struct], value: object, path: Route) -> Iterator[tuple[Route, str]]:
    if isinstance(value, dict):
        yield from problems(kind, value, path)
    else:
        yield path, "expected a table"


def _named_problems(kind: type[Struct], value: object, path: Route) -> Iterator[tuple[Route, str]]:
    if not isinstance(value, dict):
        yield path, f"expected one table for each of the {path[-1]}"
        return
    if not value and path == ("agents",):
        yield path, "at least one agent is needed: add [agents.main]"
    alike: dict[str, str] = {}
    for name, table in value.items():
        other = alike.setdefault(name.casefold(), name)
        if path == ("agents",) and other != name:
            yield (
                (*path, name),
                f"is the same folder as {other!r} on some systems: give it another name",
            )
        if path == ("models",):
            if name != "*" and not _MODEL.fullmatch(name):
                yield (*path, name), 'name the model as "provider/model", or "*" for those that nobody knows'
        elif not _NAME.fullmatch(name):
            yield (*path, name), "a name is 1 to 64 letters, digits, '-' or '_', beginning with a letter or digit"
        yield from _table_problems(kind, table, (*path, name))


def _listed_problems(kind: type[Struct], value: object, path: Route) -> Iterator[tuple[Route, str]]:
    if not isinstance(value, list):
        yield path, f"expected tables, each beginning with [[{dotted(path)}]]"
        return
    for number, table in enumerate(value, 1):
        yield from _table_problems(kind, table, (*path, str(number)))


def _value_problems(annotation: Any, value: object, path: Route) -> Iterator[tuple[Route, str]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, "expected a finite number"
        return
    try:
        msgspec.convert(value, annotation, dec_hook=decode)
    except msgspec.ValidationError as error:
        yield path, _expected(annotation, error)
        return
    if problem := _sense(path, value):
        yield path, problem


def _expected(annotation: Any, error: msgspec.ValidationError) -> str:
    if get_origin(annotation) is Literal:
        return "expected " + " or ".join(toml(choice) for choice in get_args(annotation))
    message, _, inner = str(error).partition(" - at `$")
    message = _LONGER.sub(r"expected at most \1 characters", _REGEX.sub("expected one line of text", message))
    return message[:1].lower() + message[1:] + (f" at {inner.strip('`')}" if inner else "")


def _sense(path: Route, value: object) -> str:
    """What is wrong with a value of the right type, or nothing."""
    if not isinstance(value, str):
        return ""
    if "\0" in value:
        return "has a null character"
    if _USERINFO.match(value):
        return "has a user or a password before the host: a secret does not belong here, give the address without it"
    if path[0] in _OF_EXTENSIONS:
        return ""  # what their keys mean, extensions know
    name = path[-1]
    if name == "key_env" and value and not _VARIABLE.fullmatch(value):
        return "expected the name of an environment variable; the key itself belongs in the vault"
    if name == "key" and not (value.isascii() and value.isprintable()):
        return "has characters that no key has"
    if name in ("base_url", "otlp_endpoint") and value and not re.match(r"https?://[^/\s]", value):
        return "expected an address that begins with http:// or https://"
    if name == "model" and not re.fullmatch(r"[^/\s]+(/\S+)?", value):
        return 'expected "provider/model", the name of a chain, or "auto"'
    if name == "host" and not value.strip():
        return "expected an address, such as 127.0.0.1"
    return ""


def suggestion(name: str, known: list[str]) -> str:
    """What may have been meant by a name that is not known, after the semicolon of what says so."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(sorted(known))}"


def _line(lines: dict[Route, int], path: Route) -> int:
    """Where a key stands, or what it is part of; 0 when neither has a line of its own."""
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), 0)


def _place(name: str, misfit: Misfit) -> str:
    place = f"{name}:{misfit.line}: " if misfit.line else f"{name}: "
    return f"{place}{dotted(misfit.path)}: " if misfit.path else place


def dotted(path: Route) -> str:
    """A path as it is told to people and written in TOML, such as agents.main.effort."""
    return ".".join(map(toml_key, path))


def _lines(text: str) -> dict[Route, int]:
    """The number of the line that sets the key or opens the table at each path, as far as it can be told."""
    found: dict[Route, int] = {}
    listed: dict[Route, int] = {}
    table: Route = ()
    for number, line in enumerate(text.split("\n"), 1):
        here = table
        if header := re.match(r"\s*(\[?)\[([^\[\]]+)\]", line):
            here = table = _split(header[2])
            if header[1]:
                listed[here] = listed.get(here, 0) + 1
                here = table = (*here, str(listed[here]))
        elif key := re.match(r"""\s*([\w.\-"' ]+?)\s*=""", line):
            here = (*table, *_split(key[1]))
        for length in range(1, len(here) + 1):
            found.setdefault(here[:length], number)
    return found


def _split(key: str) -> Route:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"""\s*("[^"]*"|'[^']*'|[^.]+)""", key))


def _write_once(file: Path, text: str) -> bool:
    """Write a private file as a whole, unless somebody else was faster."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, file)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True
