"""`carapax init`: sets a home up, by questions or without."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from carapax.cli.group import home, takes_home
from carapax.cli.terminal import clean, one_line
from carapax.errors import CarapaxError, InvalidRequest

if TYPE_CHECKING:
    from carapax.api.setup import Setup
    from carapax.config import Home
    from carapax.configfile import Route
    from carapax.models.listing import Addition
    from carapax.redaction import Secret


@click.command()
@click.option(
    "--provider", default="", help="The vendor of models, by its name in the catalogue; or a name of your own."
)
@click.option("--key-stdin", is_flag=True, help="Read the provider's key from standard input. It is never an argument.")
@click.option("--key-env", default="", help="The environment variable that holds the key.")
@click.option("--base-url", default="", help="Where the provider's server is, where that is not its vendor's.")
@click.option("--model", help='Which model answers: "provider/model", or "auto".')
@click.option("--agent-title", help="What you call the agent.")
@click.option("--emoji", help="One that stands for it.")
@click.option("--manner", help="How it talks to you.")
@click.option("--user-name", help="What it calls you.")
@click.option("--timezone", help='Your time zone, such as "Europe/Berlin".')
@click.option("--sandbox", help="Where its commands run: bubblewrap, docker, seatbelt or local.")
@click.option("--password-stdin", is_flag=True, help="Read your password from standard input, after the key if any.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--no-check", is_flag=True, help="Keep the provider without asking it first.")
@takes_home
def command(
    provider: str,
    key_stdin: bool,
    key_env: str,
    base_url: str,
    password_stdin: bool,
    yes: bool,
    no_check: bool,
    **texts: str | None,
) -> None:
    """Set the gateway up: a model, the agent, you. What is known is not asked again.

    Asks at a terminal, else does what the options say. Nothing is changed but what they say, so it can be repeated;
    without any it shows what is.
    """
    from carapax.cli.record import open_record
    from carapax.cli.settingup import finish, look_at, refuse_misfits
    from carapax.configfile import first_start

    place = home()
    first_start(place)
    found = look_at(place)
    is_asking = not yes and sys.stdin.isatty() and not key_stdin and not password_stdin
    given = {name: text for name, text in texts.items() if text is not None}
    judged = {name: text for name, text in given.items() if name != "model" or text.partition("/")[0] != provider}
    refuse_misfits(place, _changes(found.agent, judged))
    is_adding = bool(provider or key_env or base_url or key_stdin)
    addition = _addition(provider, base_url, key_env, key_stdin=key_stdin, checked=not no_check) if is_adding else None
    password = _password() if password_stdin else None
    if addition:
        _add(place, addition, given)
    elif is_asking and found.is_demo and "model" not in given:
        _ask_for_model(place, given, checked=not no_check)
    if is_asking:
        _ask(place, found, given)
    _keep(place, found.agent, given)
    if password:
        open_record(place).set_password(password)
    finish(place)
    _show(look_at(place))


def _changes(agent: str, given: dict[str, str]) -> dict[Route, object]:
    """What the answers are in carapax.toml; what was emptied is taken away."""
    places: dict[str, Route] = {
        "agent_title": ("agents", agent, "title"),
        "emoji": ("agents", agent, "emoji"),
        "manner": ("agents", agent, "manner"),
        "user_name": ("user", "name"),
        "timezone": ("user", "timezone"),
        "sandbox": ("agents", agent, "sandbox"),
        "model": ("agents", agent, "model"),
    }
    return {places[name]: text.strip() or None for name, text in given.items()}


def _addition(provider: str, base_url: str, key_env: str, *, key_stdin: bool, checked: bool) -> Addition:
    from carapax.models.listing import Addition
    from carapax.redaction import Secret

    if not provider:
        raise InvalidRequest("the provider has no name", "say which one with --provider")
    key = sys.stdin.readline().strip() if key_stdin else ""
    if key_stdin and not key:
        raise InvalidRequest("there is no key on standard input", "pipe it in, or leave out --key-stdin")
    return Addition(provider, base_url=base_url, key=Secret(key), key_env=key_env, check=checked)


def _password() -> Secret:
    """Raises InvalidRequest for one that is too short."""
    from carapax.owner.password import check_length
    from carapax.redaction import Secret

    password = Secret(sys.stdin.readline().rstrip("\r\n"))
    check_length(password)
    return password


def _add(place: Home, addition: Addition, given: dict[str, str]) -> None:
    """Keep a provider, once it has answered, and have it be the one that answers unless another model is given."""
    from carapax.cli.providers import open_providers
    from carapax.cli.settingup import look_at

    added = open_providers(place).add(addition)
    if "model" not in given and look_at(place).model.partition("/")[0] != added.name:
        given["model"] = added.name


def _ask_for_model(place: Home, given: dict[str, str], *, checked: bool) -> None:
    """Ask for a provider and its key until one answers, or nobody wants one."""
    from carapax.models.listing import Addition, catalogue
    from carapax.redaction import Secret

    vendors = {vendor.name: vendor for vendor in catalogue()}
    talking = [name for name, vendor in vendors.items() if vendor.talks]
    _say(f"Vendors of models: {', '.join(talking)}.")
    while name := _typed("Vendor, empty for the offline demo"):
        vendor = vendors.get(name)
        address = "" if vendor and not vendor.local else _typed("Address of its server")
        key = "" if vendor and vendor.local else _typed("Key", hidden=True)
        try:
            _add(place, Addition(name, base_url=address, key=Secret(key), check=checked), given)
        except CarapaxError as error:
            _tell(error)
        else:
            return


def _tell(error: CarapaxError) -> None:
    click.echo("\n  ".join(filter(None, (clean(error.message), clean(error.hint)))), err=True)


def _typed(question: str, *, proposed: str = "", hidden: bool = False) -> str:
    answer: str = click.prompt(question, default=proposed, show_default=bool(proposed), hide_input=hidden)
    return answer.strip()


def _ask(place: Home, found: Setup, given: dict[str, str]) -> None:
    """Ask for what is neither known nor given, again when the answer does not fit."""
    from carapax.cli.settingup import refuse_misfits
    from carapax.store.days import machine_zone

    def ask(name: str, question: str, known: str, proposed: str = "") -> None:
        while name not in given and not known and (answer := _typed(question, proposed=proposed)):
            try:
                refuse_misfits(place, _changes(found.agent, {name: answer}))
                given[name] = answer
            except CarapaxError as error:
                _tell(error)

    ask("agent_title", "What will you call your agent? (empty: it asks you itself)", found.title)
    if found.title or given.get("agent_title"):
        ask("emoji", "An emoji for it", found.emoji)
        ask("manner", "How shall it talk to you?", found.manner)
    ask("user_name", "What shall it call you?", found.user)
    ask("timezone", "Your time zone", found.timezone, machine_zone(os.environ) if not found.timezone else "")


def _keep(place: Home, agent: str, given: dict[str, str]) -> None:
    from carapax.cli.settingup import change

    if changes := _changes(agent, given):
        change(place, changes)


def _show(found: Setup) -> None:
    called = " ".join(filter(None, (found.emoji, found.title))) or "no name yet"
    lines = {
        "model": f"{found.model} ({one_line(found.model_reason, 200)})",
        "agent": f"{found.agent}: {called}" + (f", {one_line(found.manner, 100)}" if found.manner else ""),
        "you": f"{found.user or 'no name yet'}, {found.timezone or 'the time zone of this machine'}",
        "sandbox": f"{found.sandbox.kind}, {found.sandbox.level}: {found.sandbox.told}",
        "missing": ", ".join(found.missing),
    }
    for name, text in lines.items():
        if text:
            _say(f"  {name:<8} {clean(text)}")
    _say("Start the gateway with `carapax`, or say something with `carapax chat`.")


def _say(text: str) -> None:
    from carapax.cli.wrapping import fitted

    click.echo(fitted(text))
