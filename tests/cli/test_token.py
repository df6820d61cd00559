"""`carapax token`."""

from contextlib import nullcontext

import pytest

from carapax.cli.serving import Serving
from carapax.config import Home
from tests.cli.conftest import GatewayOf, Run


def test_a_token_is_made_shown_once_listed_and_revoked(run: Run) -> None:
    made = run("token", "create", "phone", "--scope", "read")
    assert made.exit_code == 0
    assert made.stdout.startswith("cpx_")
    listed = run("token", "list")
    assert "  phone  read  owner  made " in listed.output
    assert made.stdout.strip() not in listed.output
    token = listed.output.split()[0]
    assert run("token", "revoke", token).output == f"token {token} is revoked\n"
    assert "no tokens" in run("token", "list").output


def test_a_token_that_does_not_exist_cannot_be_revoked(run: Run) -> None:
    run("token", "create")
    done = run("token", "revoke", "missing")
    assert done.exit_code == 1
    assert "no token has the id 'missing'" in done.stderr


@pytest.mark.parametrize("running", [True, False])
def test_a_token_without_a_name_or_with_one_that_cannot_be_shown_is_not_made(
    run: Run, home: Home, gateway_of: GatewayOf, running: bool
) -> None:
    with gateway_of(home.config_file.read_text()) if running else nullcontext():
        assert run("token", "create", "phone").exit_code == 0
        empty, unseen = run("token", "create", ""), run("token", "create", "a\nb")
        assert (empty.exit_code, empty.stdout, unseen.exit_code, unseen.stdout) == (1, "", 1, "")
        assert "token.create: Expected `str` of length >= 1 - at `$.name`" in empty.stderr
        assert "no control characters - at `$.name`" in unseen.stderr
        assert len(run("token", "list").output.splitlines()) == 1


def test_commands_still_reach_a_gateway_that_needs_tokens(run: Run, gateway: Serving) -> None:
    assert run("token", "create").exit_code == 0
    assert run("chat", "-m", "what did I say").exit_code == 0
    assert len(run("token", "list").output.splitlines()) == 1
