"""`carapax bans`."""

from carapax.cli.serving import Serving
from tests.cli.conftest import Run


def test_without_a_gateway_there_are_no_bans(run: Run) -> None:
    done = run("bans")
    assert done.exit_code == 1
    assert "no gateway runs on this home" in done.stderr


def test_who_is_not_banned_cannot_be_let_in_again(run: Run, gateway: Serving) -> None:
    assert run("bans").stderr == "nobody is banned\n"
    done = run("bans", "--lift", "192.0.2.1")
    assert done.exit_code == 1
    assert "'192.0.2.1' is not banned" in done.stderr
