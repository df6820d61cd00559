"""`carapax models`: what can be asked, with which key, at what price; and signing in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.progress import progress
from carapax.cli.terminal import clean, one_line, time_of
from carapax.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carapax.models.check import Checked
    from carapax.models.listing import Offer, ProviderStatus
    from carapax.redaction import Secret

_TOOLS = ("native", "text", "off")


@click.group(invoke_without_command=True)
@click.option("--provider", default="", help="Only of this one.  [default: all]")
@click.option("--search", default="", help="Only models whose names hold this.")
@click.option("--json", "as_json", is_flag=True, help="One model a line, as JSON.")
@takes_home
@click.pass_context
def command(context: click.Context, provider: str, search: str, as_json: bool) -> None:
    """List the models that the providers offer, with what is known of them; or look after the providers.

    Prices are in US dollars for a million tokens.
    """
    if context.invoked_subcommand is not None:
        return
    from carapax.cli.providers import open_providers

    offers, silent = open_providers(home()).models(provider)
    shown = [offer for offer in offers if search.lower() in f"{offer.provider}/{offer.model}".lower()]
    if as_json:
        for offer in shown:
            click.echo(msgspec.json.encode(offer))
    elif shown:
        _print(("model", "context", "in", "out", "images"), map(_offered, shown), right=(1, 2, 3))
    else:
        click.echo("no model is offered" + (f" whose name holds {search!r}" if search else ""), err=True)
    for each in silent:
        click.echo(clean(each.error), err=True)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One provider a line, as JSON.")
@takes_home
def providers(as_json: bool) -> None:
    """List the providers that can be asked, and where their keys are."""
    from carapax.cli.providers import open_providers

    found = open_providers(home()).providers()
    if as_json:
        for status in found:
            click.echo(msgspec.json.encode(status))
    else:
        _print(("provider", "why", "key", "model", "at", "health"), map(_provided, found))


@command.command()
@click.argument("name")
@click.option("--vendor", default="", help="Its vendor in the catalogue.  [default: the one of its own name]")
@click.option("--base-url", default="", help="Where its server is, where that is not its vendor's.")
@click.option("--dialect", default="", help="The language its server speaks, where that is not its vendor's.")
@click.option("--key-env", default="", help="The environment variable that holds its key, instead of the vault.")
@click.option("--key-stdin", is_flag=True, help="Read the key from standard input.")
@click.option("--default-model", default="", help="The model when none is named.")
@click.option(
    "--tools", type=click.Choice(_TOOLS), help="How its models call tools, where that is not as its vendor's do."
)
@click.option("--no-check", is_flag=True, help="Keep it without asking it first.")
@takes_home
def add(
    name: str,
    vendor: str,
    base_url: str,
    dialect: str,
    key_env: str,
    key_stdin: bool,
    default_model: str,
    tools: str | None,
    no_check: bool,
) -> None:
    """Add the provider NAME, or another key for it, and use it at once.

    The key is asked for without showing it, and goes into the vault. NAME is that of a vendor, or any other with
    --vendor or --base-url.
    """
    from carapax.cli.providers import open_providers
    from carapax.models.listing import Addition

    given = msgspec.convert(
        {
            "name": name,
            "vendor": vendor,
            "base_url": base_url,
            "dialect": dialect,
            "key_env": key_env,
            "default_model": default_model,
            "tools": tools or "",
            "check": not no_check,
        },
        Addition,
    )
    key = _key(name, from_stdin=key_stdin, wanted=not key_env)
    status = open_providers(home()).add(msgspec.structs.replace(given, key=key))
    known = f"the key is from {_place(status.key)}" if status.key else "it has no key"
    click.echo(f"{status.name} is there: {known}; its models are named {status.name}/MODEL")


@command.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when agents or chains use it.")
@takes_home
def remove(name: str, force: bool) -> None:
    """Forget the provider NAME and its key."""
    from carapax.cli.providers import open_providers

    open_providers(home()).remove(name, force=force)
    click.echo(f"{clean(name)} is gone")


@command.command()
@click.argument("name", default="")
@takes_home
def check(name: str) -> None:
    """Ask the provider NAME, or all, whether they answer and take their keys. Exits with 1 when one does not."""
    from carapax.cli.providers import open_providers

    with progress(f"asking {clean(name) or 'all providers'}"):
        found = open_providers(home()).check(name)
    for checked in found:
        click.echo(_checked(checked))
    sys.exit(0 if all(checked.ok for checked in found) else 1)


@command.command()
@takes_home
def health() -> None:
    """List the models that failed lately, and until when they are left in peace."""
    from carapax.cli.providers import open_providers

    states = open_providers(home()).health()
    for state in states:
        reason = one_line(state.reason, 200)
        click.echo(f"{state.provider}/{clean(state.model)}  {state.kind}, until {time_of(state.until)}: {reason}")
    if not states:
        click.echo("nothing is wrong with any model", err=True)


@command.command()
@takes_home
def refresh() -> None:
    """Fetch the facts and prices of models anew."""
    from carapax.cli.refreshing import refresh as fetch

    with progress("fetching facts and prices"):
        done = fetch(home())
    click.echo(f"{done.models:,} models from {clean(done.url)}; there were {done.before:,}")


@command.command()
@click.argument("vendor")
@click.option("--paste", is_flag=True, help="Ask for the address that the browser was sent to.")
@takes_home
def login(vendor: str, paste: bool) -> None:
    """Sign in to VENDOR, for one that has a login in place of a key."""
    from carapax.cli.signing import sign_in

    sign_in(home(), vendor, paste=paste)


def _key(name: str, *, from_stdin: bool, wanted: bool) -> Secret:
    """What was typed or piped; empty where nobody can be asked."""
    from carapax.redaction import Secret

    if from_stdin:
        key = sys.stdin.readline().strip()
        if not key:
            raise InvalidRequest("there is no key on standard input", "pipe it in, or leave out --key-stdin")
        return Secret(key)
    if not wanted or not sys.stdin.isatty():
        return Secret("")
    return Secret(
        click.prompt(f"Key for {name}, empty for none", default="", hide_input=True, show_default=False, err=True)
    )


def _offered(offer: Offer) -> tuple[str, ...]:
    images = {True: "yes", False: "no", None: "?"}[offer.images]
    name = f"{offer.provider}/{offer.model}"
    return (
        name,
        f"{offer.context_tokens:,}" if offer.known else "?",
        _usd(offer.input_usd),
        _usd(offer.output_usd),
        images,
    )


def _usd(amount: float | None) -> str:
    return "?" if amount is None else f"{amount:,.2f}" if amount == round(amount, 2) else f"{amount:,.4f}"


def _provided(status: ProviderStatus) -> tuple[str, ...]:
    failed = ", ".join(f"{state.model} {state.kind}" for state in status.health)
    key = _place(status.key) or ("missing" if status.needs_key else "none")
    model = status.default_model or ("its first" if status.dialect else "none")
    return status.name, status.standing, key, model, status.base_url, failed or "well"


def _place(source: str) -> str:
    return "the vault" if source == "vault" else source


def _checked(checked: Checked) -> str:
    if checked.ok:
        models = f"{checked.models:,} models" if checked.models else "it lists no models"
        return f"ok    {checked.provider}  {checked.latency_s * 1000:.0f} ms, {models}"
    hint = f"\n      {clean(checked.hint)}" if checked.hint else ""
    return f"FAIL  {checked.provider}  {clean(checked.error)}{hint}"


def _print(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], right: tuple[int, ...] = ()) -> None:
    """Columns as wide as their widest cell, the last one as it comes."""
    cells = [head, *(tuple(clean(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(line).rstrip())
