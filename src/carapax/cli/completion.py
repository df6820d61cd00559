"""`carapax completion`: what the shell is to read so that it completes commands and options."""

import click
from click.shell_completion import get_completion_class

from carapax.cli.group import carapax, takes_home


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@takes_home
def command(shell: str) -> None:
    """Print what makes the shell complete `carapax`.

    Where it belongs: bash ~/.local/share/bash-completion/completions/carapax, zsh a file _carapax in a folder of
    $fpath, fish ~/.config/fish/completions/carapax.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(carapax, {}, "carapax", "_CARAPAX_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())
