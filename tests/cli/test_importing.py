"""`carapax secrets import`."""

from pathlib import Path

import pytest

from carapax.cli.secretstore import open_secrets
from carapax.cli.serving import Serving
from carapax.config import Home
from tests.cli.conftest import Run
from tests.cli.test_secrets import VALUE, got
from tests.importers.test_opencrust import SECRETS, written

ENV = f"OPENAI_API_KEY={VALUE}\nMOONSHOT_API_KEY=m\nPORT=3000\nEMPTY=\n"


def test_a_dotenv_file_is_imported_after_it_was_told_what_would_become_of_it(
    run: Run, home: Home, tmp_path: Path, gateway: Serving
) -> None:
    file = tmp_path / ".env"
    file.write_text(ENV)
    run("secrets", "set", "PORT", typed="1")
    told = run("secrets", "import", str(file))
    steps = [
        "OPENAI_API_KEY -> provider:openai: new",
        "MOONSHOT_API_KEY -> provider:moonshot: new",
        "MOONSHOT_API_KEY -> provider:moonshot_ai: new",
        "PORT: is there",
        "EMPTY: is empty",
    ]
    assert told.output.splitlines() == [*steps, "Nothing was done yet; with --apply 3 are kept."]
    assert [kept.name for kept in open_secrets(home).kept()] == ["PORT"]
    done = run("secrets", "import", str(file), "--apply")
    assert done.output.splitlines()[:-1] == steps
    assert "They still stand in" in done.output
    assert VALUE not in told.output + done.output
    assert (got(home, "provider:openai"), got(home, "provider:moonshot_ai"), got(home, "PORT")) == (VALUE, "m", "1")
    assert "nothing to keep" in run("secrets", "import", str(file), "--apply").stderr
    assert "PORT: replaces" in run("secrets", "import", str(file), "--apply", "--replace").output
    assert got(home, "PORT") == "3000"


def test_the_vault_of_opencrust_is_imported(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "vault.json"
    file.write_bytes(written())
    monkeypatch.delenv("OPENCRUST_VAULT_PASSPHRASE", raising=False)
    assert "OPENCRUST_VAULT_PASSPHRASE" in run("secrets", "import", str(file)).stderr
    monkeypatch.setenv("OPENCRUST_VAULT_PASSPHRASE", "wrong")
    assert "is wrong" in run("secrets", "import", str(file), "--apply").stderr
    assert not home.vault.exists()
    monkeypatch.setenv("OPENCRUST_VAULT_PASSPHRASE", "right")
    done = run("secrets", "import", str(file), "--apply")
    assert done.output.startswith("ANTHROPIC_API_KEY -> provider:anthropic: new\nTELEGRAM_BOT_TOKEN: new\n2 are kept")
    assert [value for value in SECRETS.values() if value in done.output] == []
    assert (got(home, "provider:anthropic"), got(home, "TELEGRAM_BOT_TOKEN")) == tuple(SECRETS.values())


def test_a_file_that_cannot_be_imported_is_named(run: Run, tmp_path: Path) -> None:
    for content, words in (
        (None, "there is no"),
        (b"A=1\nsk-secret\n", "line 2 is no NAME=value"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"A=" + b"x" * (1 << 20), "larger than 1 MiB"),
    ):
        file = tmp_path / "file"
        if content is not None:
            file.write_bytes(content)
        refused = run("secrets", "import", str(file), "--apply")
        assert (refused.exit_code, words in refused.stderr, str(file) in refused.stderr) == (1, True, True)
        assert "sk-secret" not in refused.output
