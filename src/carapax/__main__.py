"""`python -m carapax` is `carapax`."""

from carapax.cli.main import main

main()
