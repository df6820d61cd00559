"""Editing carapax.toml in a person's editor."""

import os
import tempfile
from pathlib import Path

import click

from carapax.configcheck import look
from carapax.configedit import locked, write
from carapax.configfile import Unusable, first_start, parse, read
from carapax.errors import Conflict
from carapax.home import Home


def edited(home: Home) -> bool:
    """Have a person change a copy of carapax.toml until it can be used, and put it in place; whether it is another.

    Raises Conflict when the file itself was changed meanwhile, and StoreError when it cannot be written; the copy stays
    then. What is given up is thrown away.
    """
    first_start(home)
    source = read(home)
    descriptor, name = tempfile.mkstemp(suffix=".toml", prefix="carapax-", dir=home.config_dir)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(source.text)
    draft = Path(name)
    text = _usable(draft)
    try:
        if text is not None and text != source.text:
            with locked(home):
                write(home, text, source.digest)
    except Conflict as error:
        raise Conflict(error.message, f"what you wrote is in {draft}") from error
    draft.unlink()
    return text is not None and text != source.text


def _usable(draft: Path) -> str | None:
    """What the person wrote, once it can be used; None when they give up."""
    while True:
        click.edit(filename=str(draft))
        try:
            text = draft.read_text(encoding="utf-8")
            parse(text, "carapax.toml", look)
        except UnicodeDecodeError as error:
            click.echo(f"carapax.toml: not UTF-8 text at byte {error.start}", err=True)
        except Unusable as error:
            click.echo(error.message, err=True)
        else:
            return text
        if not click.confirm("Edit it again?", default=True):
            return None
