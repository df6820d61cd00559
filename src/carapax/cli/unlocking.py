"""The vault of a home, unlocked: its passphrase is asked for where nobody gave it."""

import os
import sys

import click

from carapax.cli.loop import awaited
from carapax.cli.progress import progress
from carapax.config import Home
from carapax.errors import InvalidRequest, Unavailable
from carapax.passphrase import VARIABLE, Locked, find
from carapax.redaction import Secret
from carapax.vault import Vault, open_vault

_TRIES = 3


def passphrase_of(home: Home, *, from_stdin: bool = False) -> Secret | None:
    """The passphrase that the vault of a home wants, which was tried; None for one that wants none, or finds it where
    services are told it. It is the first line of standard input, or typed at the terminal.

    Raises Unavailable without one, with a wrong one, or when the keyring does not give the key.
    """
    protection = awaited(open_vault(home).protection())
    if protection == "keyring":
        return _tried(home, None)
    if protection != "passphrase":
        return None
    if from_stdin:
        return _tried(home, Secret(sys.stdin.readline().rstrip("\r\n")))
    if find(os.environ):
        return _tried(home, None)
    if not sys.stdin.isatty():
        raise Locked(f"{home.vault} is locked with a passphrase", f"write it to a file that {VARIABLE} names")
    for _ in range(_TRIES - 1):
        try:
            return _tried(home, ask("Passphrase of the vault"))
        except Locked as error:
            click.echo(error.message, err=True)
    return _tried(home, ask("Passphrase of the vault"))


def unlocked(home: Home) -> Vault:
    """The vault, with its passphrase if it wants one. Raises as `passphrase_of` does."""
    return open_vault(home, os.environ, passphrase=passphrase_of(home))


def new_passphrase() -> Secret:
    """One that was typed twice, or piped in once. Raises InvalidRequest when the two are different."""
    if not sys.stdin.isatty():
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    first = ask("New passphrase of the vault")
    if ask("The same again") != first:
        raise InvalidRequest("these are two different passphrases", "nothing was changed; try again")
    return first


def ask(what: str) -> Secret:
    """What is typed without being shown."""
    try:
        return Secret(click.prompt(what, hide_input=True, err=True))
    except click.Abort:
        raise Unavailable("nothing was typed", "nothing was changed") from None


def _tried(home: Home, passphrase: Secret | None) -> Secret | None:
    with progress("unlocking the vault"):
        awaited(open_vault(home, os.environ, passphrase=passphrase).unlock())
    return passphrase
