"""`carapax approvals`: what waits for a yes, and what was allowed for good."""

import click

from carapax.api.approval import Answered, Approvals, Pending
from carapax.cli.group import home, takes_home
from carapax.cli.question import card
from carapax.cli.record import open_record
from carapax.cli.rpc import Gateway, find_gateway
from carapax.cli.terminal import clean, one_line, time_of, write
from carapax.errors import NotFound, Unavailable
from carapax.policy.grants import told

_SCOPES = ("once", "session", "always")


@click.group(invoke_without_command=True)
@click.pass_context
@takes_home
def command(context: click.Context) -> None:
    """List the calls that wait for a yes, and answer them.

    A call is named by the letters of its question. Nobody answering means no.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@command.command("list")
@takes_home
def list_() -> None:
    """List the calls that wait."""
    gateway = find_gateway(home())
    waiting = _waiting(gateway) if gateway else []
    for pending in waiting:
        write(f"{pending.approval.nonce}  session {clean(pending.session)}\n{card(pending.approval)}\n")
    if not waiting:
        click.echo("nothing waits for an answer", err=True)


@command.command()
@click.argument("letters")
@click.option("--scope", type=click.Choice(_SCOPES), default="once", show_default=True, help="What the yes covers.")
@takes_home
def allow(letters: str, scope: str) -> None:
    """Let the call run that the question with these LETTERS is about."""
    _answer(letters, "allow", scope)


@command.command()
@click.argument("letters")
@takes_home
def deny(letters: str) -> None:
    """Refuse the call that the question with these LETTERS is about."""
    _answer(letters, "deny", "once")


@command.command()
@takes_home
def grants() -> None:
    """List what was allowed for good."""
    kept = open_record(home()).grants()
    for one in kept:
        write(f"{one.id}  {clean(one.agent)}  {clean(one.by)}  {time_of(one.at)}  {one_line(told(one.grant), 300)}\n")
    if not kept:
        click.echo("nothing was allowed for good", err=True)


@command.command()
@click.argument("grant")
@takes_home
def forget(grant: str) -> None:
    """Take back a GRANT, by its id; what it covered is asked about again."""
    open_record(home()).forget_grant(grant)
    click.echo(f"grant {clean(grant)} is taken back")


def _answer(letters: str, verdict: str, scope: str) -> None:
    gateway = find_gateway(home())
    if gateway is None:
        raise Unavailable("no gateway runs, so nothing waits for an answer", "start it with `carapax`")
    asked = next((one.approval for one in _waiting(gateway) if one.approval.nonce == letters.upper()), None)
    if asked is None:
        raise NotFound(f"no question has the letters {letters!r}", "`carapax approvals` lists those that wait")
    answer: dict[str, object] = {"approval": asked.id, "digest": asked.digest, "verdict": verdict, "scope": scope}
    gateway.call("approval.answer", answer, Answered)
    write(card(asked) + ("\nallowed\n" if verdict == "allow" else "\nrefused\n"))


def _waiting(gateway: Gateway) -> list[Pending]:
    return gateway.call("approval.list", {}, Approvals).approvals
