"""A real browser that trusts the gateway's own authority, and the cards about certificates and Tailscale."""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from carapax.config import Config, TlsConfig
from tests.fakes.tailscale import NAME, FakeTailscale
from tests.web.accessible import overflowing, violations
from tests.web.browser import MISSING, Browser, open_browser
from tests.web.served import Process, Served, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
CERTUTIL = shutil.which("certutil")
CONFIG = '[agents.main]\nmodel = "demo/demo"\n[tls]\nmode = "on"\nnames = ["desk.lan"]\n'


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Process, None, None]:
    process = Process(tmp_path / "home", CONFIG)
    process.start()
    yield process
    process.close()


def key_of(gateway: Process) -> str:
    """The SHA-256 of the key of what is shown, as Chromium takes it."""
    key = x509.load_pem_x509_certificate(gateway.home.shown_file.read_bytes()).public_key()
    spoken = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spoken).digest()).decode()


def test_the_page_works_over_tls_and_shows_whom_to_trust(tmp_path: Path, gateway: Process) -> None:
    with open_browser(tmp_path / "profile", f"--ignore-certificate-errors-spki-list={key_of(gateway)}") as browser:
        browser.open(f"{gateway.url.replace('https:', 'http:')}/#/access")
        card = browser.find(".access .card", "Encrypted, by an authority of its own")
        assert browser.run("return [location.protocol, isSecureContext]") == ["https:", True]
        printed = gateway.carapax("tls")
        assert card.text.split("SHA-256 of the authority\n")[1].split("\n")[0] in printed
        assert "desk.lan" in card.text
        assert browser.run("return (await fetch('/ca.pem')).text()") == gateway.carapax("tls", "ca")
        assert violations(browser) == []
        browser.resize(360, 740, phone=True)
        assert overflowing(browser) == []
        assert browser.violations == []


_SIGN_IN = """
  const headers = { "Content-Type": "application/json" };
  await fetch("/auth/setup", { method: "POST", headers, body: JSON.stringify({ code: given[0] }) });
  const how = async () => (await (await fetch("/auth")).json()).how;
  const found = [await how()];
  await fetch("/logout", { method: "POST" });
  return [...found, await how()];
"""


def test_a_browser_signs_in_and_out_over_tls(tmp_path: Path, gateway: Process) -> None:
    with open_browser(tmp_path / "profile", f"--ignore-certificate-errors-spki-list={key_of(gateway)}") as browser:
        browser.open(gateway.url)
        assert browser.run(_SIGN_IN, gateway.carapax("owner", "code").split()[-1]) == ["code", ""]


@pytest.mark.skipif(CERTUTIL is None and not os.environ.get("CI"), reason="certutil is not installed")
def test_a_browser_that_was_told_to_trust_the_authority_needs_nothing_else(tmp_path: Path, gateway: Process) -> None:
    store = tmp_path / "person" / ".pki" / "nssdb"
    store.mkdir(parents=True)
    authority = tmp_path / "ca.pem"
    authority.write_text(gateway.carapax("tls", "ca"))
    database = f"sql:{store}"
    for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "carapax", "-i", str(authority)]):
        subprocess.run([CERTUTIL or "certutil", "-d", database, *words], check=True, timeout=20)
    for person, trusts in (("person", True), ("stranger", False)):
        environ = {**os.environ, "HOME": str(tmp_path / person)}
        with open_browser(tmp_path / f"profile of {person}", environ=environ) as browser:
            browser.open(f"{gateway.url}/#/access")
            if trusts:
                browser.find(".access .card", "Encrypted")
            else:
                browser.find("body", "ERR_CERT_AUTHORITY_INVALID")


@pytest.fixture
def tailnet(tmp_path: Path) -> Generator[tuple[Served, FakeTailscale], None, None]:
    fake = FakeTailscale(tmp_path / "bin")
    with served(tmp_path / "home", (), Config(tls=TlsConfig(mode="off")), environ=fake.environ) as gateway:
        yield gateway, fake


def test_the_tailnet_is_let_in_by_a_button_and_the_internet_after_a_question(
    browser: Browser, tailnet: tuple[Served, FakeTailscale]
) -> None:
    gateway, fake = tailnet
    browser.resize(1280, 800)
    browser.open(f"{gateway.url}/#/access")
    browser.find(".access .card", "Nobody reaches the gateway")
    browser.find(".access button", "Serve to your tailnet").click()
    browser.find(".access .card", f"https://{NAME}")
    browser.find(".access button", "Open to the internet").click()
    browser.find("dialog button", "Open to the internet").click()
    browser.find("[role=alert], [role=status], .toast, .notice", "nothing protects this gateway yet")
    assert "AllowFunnel" not in fake.serving
    browser.find(".access button", "End it").click()
    browser.find(".access .card", "Nobody reaches the gateway")
    assert fake.serving == {}
    fake.be("NeedsLogin", auth_url="https://login.tailscale.com/a/1")
    browser.open(f"{gateway.url}/#/access")
    browser.find(".access .card", "sign in: https://login.tailscale.com/a/1")
    assert violations(browser) == []
    assert browser.violations == []
    browser.forget(gateway.url)
