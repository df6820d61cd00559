"""Checks a configuration in what only extensions, the catalogue of vendors and the way out know as well."""

import difflib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from ipaddress import IPv6Network, ip_network
from typing import Any

from carapax import extensions
from carapax.config import Config, CredentialConfig, Home, RuleConfig, TelemetryConfig, TlsConfig
from carapax.configfile import Route, Source, parse, problems, read
from carapax.errors import ConfigError
from carapax.models.catalogue import resolve, speaker, vendors
from carapax.places import Places
from carapax.store.days import open_days
from carapax.tls.names import spell
from carapax.vault import is_name

_WIDEST = {4: 8, 6: 16}
"""Bits of the widest public network that can be somebody's own."""
_LOCAL = IPv6Network("fc00::/7")
_TABLES: tuple[tuple[str, extensions.Kind], ...] = (
    ("channels", "channel"),
    ("tools", "tool"),
    ("sandboxes", "sandbox"),
)


def check(home: Home, source: Source | None = None) -> Config:
    """The configuration of a home, or what a `source` says that was read from there, which can be used. Imports what it
    names.

    Raises ConfigError with everything that does not fit, one problem a line, each with its place and a remedy.
    """
    return parse((source or read(home)).text, str(home.config_file), look)


def look(config: Config) -> Iterator[tuple[Route, str]]:
    """What does not fit though its types do, and where it stands."""
    for table, kind in _TABLES:
        for name, section in getattr(config, table).items():
            yield from _section(kind, name, section, (table, name))
    yield from _tls(config.tls)
    for name in config.extra_tools:
        if name not in config.tools:
            yield from _section("tool", name, {}, ("extra_tools",))
    for name, agent in config.agents.items():
        if agent.sandbox not in config.sandboxes:
            yield from _section("sandbox", agent.sandbox, {}, ("agents", name, "sandbox"))
        yield from _model(agent.model, config, ("agents", name, "model"))
        for key in ("hosts", "deny"):
            yield from _places(getattr(agent.egress, key), ("agents", name, "egress", key))
    for name, credential in config.credentials.items():
        yield from _credential(name, credential)
    for name in config.providers:
        yield from _provider(name, config, ("providers", name))
    for name in config.chains:
        yield from _chain(name, config, ("chains", name))
    yield from _telemetry(config.telemetry)
    if config.user.timezone:
        yield from _timezone(config.user.timezone)
    yield from _proxies(config.gateway.behind_proxy)
    yield from _places(config.egress.allow, ("egress", "allow"))
    if "*" in config.egress.allow:
        yield ("egress", "allow"), '"*" would open every place: name the places'
    for number, rule in enumerate(config.policy.rules, 1):
        yield from _rule(rule, config, ("policy", "rules", str(number)))


def _telemetry(telemetry: TelemetryConfig) -> Iterator[tuple[Route, str]]:
    if telemetry.otlp_endpoint:
        from carapax.telemetry.exporter import is_installed  # noqa: PLC0415 - heavy, and most send nothing

        if not is_installed():
            yield ("telemetry", "otlp_endpoint"), "needs what carapax[otel] installs: pip install 'carapax[otel]'"
    for header, secret in telemetry.otlp_headers.items():
        if not is_name(secret):
            yield ("telemetry", "otlp_headers", header), "expected the name of a secret in the vault, not its value"


def _tls(tls: TlsConfig) -> Iterator[tuple[Route, str]]:
    for name in tls.names:
        try:
            spell(name)
        except ConfigError as error:
            yield ("tls", "names"), str(error)
    if tls.key and not tls.cert:
        yield ("tls", "cert"), "there is a key without a certificate: name the file of the certificate too"


def _proxies(entries: Iterable[str]) -> Iterator[tuple[Route, str]]:
    for entry in entries:
        try:
            network = ip_network(entry, strict=False)
        except ValueError:
            yield ("gateway", "behind_proxy"), f'{entry!r} is no address and no network such as "10.0.0.0/24"'
            continue
        is_local = isinstance(network, IPv6Network) and network.subnet_of(_LOCAL)
        if not is_local and network.prefixlen < _WIDEST[network.version]:
            why = "takes half the world for your proxies, and anybody could say to be anybody: name their addresses"
            yield ("gateway", "behind_proxy"), f"{entry!r} {why}"


def _timezone(timezone: str) -> Iterator[tuple[Route, str]]:
    try:
        open_days(timezone, {})
    except ConfigError as error:
        yield ("user", "timezone"), str(error)


def _places(entries: Iterable[str], path: Route) -> Iterator[tuple[Route, str]]:
    for entry in entries:
        try:
            Places((entry,), "")
        except ConfigError as error:
            yield path, str(error).removeprefix(": ")


def _credential(name: str, section: CredentialConfig) -> Iterator[tuple[Route, str]]:
    from carapax.credentials import Credential  # noqa: PLC0415 - heavy, and most configurations have none

    try:
        Credential(name, section)
    except ConfigError as error:
        yield ("credentials", name), str(error).removeprefix(f"[credentials.{name}]").removeprefix(":").strip()


def _rule(rule: RuleConfig, config: Config, path: Route) -> Iterator[tuple[Route, str]]:
    for pattern in rule.commands:
        from carapax.commandline import Pattern  # noqa: PLC0415 - heavy, and most configurations have no rules

        try:
            Pattern(pattern)
        except ConfigError as error:
            yield (*path, "commands"), str(error)
    if "command" in rule.arguments:
        yield (*path, "arguments"), "a command line is not matched as a text: say it with commands"
    tools = [] if config.extra_tools else extensions.names("tool")
    for key, name, known in [
        ("tool", rule.tool, tools),
        *(("agents", agent, [*config.agents]) for agent in rule.agents),
    ]:
        if known and not any(fnmatchcase(other, name) for other in known):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"
            yield (*path, key), f"the rule is about nothing, for there is no {key.removesuffix('s')} {name!r}{hint}"


def _section(kind: extensions.Kind, name: str, section: dict[str, Any], path: Route) -> Iterator[tuple[Route, str]]:
    try:
        module = extensions.find(kind, name)
        found = list(problems(module.Config, section, path)) if hasattr(module, "Config") else []
        if not found:
            extensions.configure(kind, name, module, section)
    except ConfigError as error:
        yield path, str(error)
    else:
        yield from found


def _model(model: str, config: Config, path: Route) -> Iterator[tuple[Route, str]]:
    provider = model.partition("/")[0]
    if model == "auto" or model in config.chains:
        return
    found = list(_provider(provider, config, path))
    if not found and not resolve(provider, config.providers.get(provider)).dialect:
        yield path, f"{provider} has no models to talk to"
    elif provider not in config.providers:
        yield from found


def _chain(name: str, config: Config, path: Route) -> Iterator[tuple[Route, str]]:
    models = config.chains[name]
    if "/" in name or not name.strip() or name == "auto":
        yield path, f"{name!r} is no name for a chain"
    if name in config.providers or name in vendors():
        yield path, f"{name!r} is the name of a provider: give the chain another one"
    if not models:
        yield path, "the chain is empty: name at least one model"
    for model in dict.fromkeys(models):
        if models.count(model) > 1:
            yield path, f"{model!r} stands in the chain more than once"
        if model == "auto" or model in config.chains:
            yield path, f'{model!r} is no model: a chain names models as "provider/model"'
        else:
            yield from _model(model, config, path)


def _provider(name: str, config: Config, path: Route) -> Iterator[tuple[Route, str]]:
    section = config.providers.get(name)
    try:
        module = speaker(resolve(name, section))
    except ConfigError as error:
        yield path, str(error).removeprefix(f"[providers.{name}]").removeprefix(":").strip()
    else:
        if section and section.accent:
            yield from problems(module.Config, section.accent, (*path, "accent"))
