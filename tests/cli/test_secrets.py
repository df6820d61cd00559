"""`carapax secrets`, with a running gateway and without one."""

from carapax.cli.secretstore import Asked, Kept, open_secrets
from carapax.cli.serving import Serving
from carapax.config import Home
from carapax.redaction import Secret
from carapax.vault import open_vault
from tests.cli.conftest import Run
from tests.running import run as run_async

VALUE = "very-secret-0123456789"


def got(home: Home, name: str) -> str | None:
    secret = run_async(open_vault(home).get(name))
    return secret.reveal() if secret else None


def goes_round(run: Run, home: Home) -> None:
    assert run("secrets", "list").stderr == "the vault is empty\n"
    for value, version in (("old", 1), (VALUE, 2)):
        done = run("secrets", "set", "github/token", typed=value + "\n")
        assert (done.exit_code, done.output) == (0, f"github/token is kept, version {version}\n")
    assert got(home, "github/token") == VALUE
    listed = run("secrets", "list")
    assert listed.output.startswith("github/token  version 2  changed 20")
    assert VALUE not in listed.output + run("secrets", "list", "--json").output
    assert '"name":"github/token","version":2,"changed_at":' in run("secrets", "list", "--json").stdout
    wrong = run("secrets", "remove", "github/tokem")
    assert (wrong.exit_code, "did you mean github/token" in wrong.stderr) == (1, True)
    assert run("secrets", "remove", "github/token").output == "github/token is gone\n"
    assert (got(home, "github/token"), run("secrets", "list").stdout) == (None, "")


def test_a_running_gateway_is_asked(run: Run, home: Home, gateway: Serving) -> None:
    assert isinstance(open_secrets(home), Asked)
    goes_round(run, home)


def test_without_a_gateway_the_vault_is_changed_here(run: Run, home: Home) -> None:
    assert isinstance(open_secrets(home), Kept)
    goes_round(run, home)


def test_a_secret_is_never_an_argument(run: Run, home: Home) -> None:
    done = run("secrets", "set", "a", VALUE)
    assert (done.exit_code, "never an argument" in done.stderr, VALUE in done.output) == (1, True, False)
    assert got(home, "a") is None


def test_a_secret_of_many_lines_is_kept_as_it_was_piped(run: Run, home: Home) -> None:
    pem = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"
    assert run("secrets", "set", "pem", typed=pem).exit_code == 0
    assert got(home, "pem") == pem.removesuffix("\n")
    for typed, words in ((b"\xff\xfe", "no text in UTF-8"), ("", "has 0 bytes")):
        refused = run("secrets", "set", "a", typed=typed)
        assert (refused.exit_code, words in refused.stderr) == (1, True)


def test_a_name_that_cannot_be_is_told(run: Run) -> None:
    assert "is no name of a secret" in run("secrets", "set", "a b", typed="v").stderr


def test_the_vault_is_one_whoever_changes_it(run: Run, home: Home, gateway: Serving) -> None:
    run_async(open_vault(home).set("a", Secret("1")))
    assert run("secrets", "list").output.startswith("a  version 1  changed ")
