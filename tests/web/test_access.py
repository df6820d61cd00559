"""The Access screen in a real browser: what people and programs come in with."""

from collections.abc import Generator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from carapax.redaction import Secret
from carapax.store.audit import LOCAL, Actor
from carapax.store.database import Statement
from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served
from tests.web.test_signin import WORDS, at_name, authenticator, set_up

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")
AGED = Statement("UPDATE signins SET created_at = created_at - 601")


@pytest.fixture
def gateway(browser: Browser, tmp_path: Path) -> Generator[Served, None, None]:
    browser.resize(1280, 860)
    with served(tmp_path, lambda request: "Hello.") as opened:
        browser.forget(at_name(opened))
        yield opened
        assert browser.violations == []


def sign_in(browser: Browser, gateway: Served) -> None:
    gateway.run(gateway.services.owner.password.set(Secret(WORDS), LOCAL))
    browser.open(f"{at_name(gateway)}/#/access")
    browser.find(".sign-in input[name=password]").send_keys(WORDS + "\n")
    browser.find(".access .card", "How you sign in")


def test_a_token_is_made_shown_once_and_ended(browser: Browser, gateway: Served) -> None:
    sign_in(browser, gateway)
    form = browser.find(".access .form", "Create a token")
    form.find_element(By.NAME, "name").send_keys("laptop\n")
    secret = browser.find(".access [role=status] code", "cpx_").text
    browser.find(".access tr", "laptop")
    (token,) = gateway.run(gateway.services.tokens.list())
    assert (token.name, token.scopes, token.trust) == ("laptop", ("write",), "owner")
    checked = gateway.run(gateway.services.tokens.check(secret))
    assert checked is not None and checked.id == token.id
    gateway.run(gateway.services.audit.database.transact([AGED]))
    browser.find(".access tr", "laptop").find_element(By.CSS_SELECTOR, ".danger").click()
    browser.find("dialog .button.primary", "End this token").click()
    browser.find("dialog input[type=password]").send_keys(WORDS + "\n")
    browser.find(".access .none", "No tokens yet.")
    assert gateway.run(gateway.services.tokens.list()) == []


def test_the_first_token_is_shown_before_the_page_is_left_that_was_free(browser: Browser, gateway: Served) -> None:
    browser.open(f"{at_name(gateway)}/#/access")
    browser.find(".access .form", "Create a token").find_element(By.NAME, "name").send_keys("laptop\n")
    secret = browser.find("dialog input").get_attribute("value")
    assert secret is not None and gateway.run(gateway.services.tokens.check(secret)) is not None
    browser.find("dialog .button.primary").click()
    browser.find(".sign-in h1", "Sign in")
    browser.find(".sign-in input[name=token]").send_keys(secret + "\n")
    browser.find(".composer, .access, .welcome")


def test_browsers_are_signed_out_one_by_one_and_everywhere(browser: Browser, gateway: Served) -> None:
    sign_in(browser, gateway)
    for name in ("Firefox, Linux", "Safari, iPhone"):
        gateway.run(gateway.services.signins.create("password", Actor("owner", "", "192.0.2.7"), browser=name))
    browser.open(f"{at_name(gateway)}/#/access")
    browser.find(".access tr", "Firefox, Linux").find_element(By.CSS_SELECTOR, "button").click()
    browser.until("![...document.querySelectorAll('.access tr')].some((row) => row.textContent.includes('Firefox'))")
    browser.find(".access .button", "Sign out all others").click()
    browser.until("![...document.querySelectorAll('.access tr')].some((row) => row.textContent.includes('Safari'))")
    assert len(gateway.run(gateway.services.signins.list())) == 1
    browser.find(".access .button", "Sign out everywhere").click()
    browser.find(".sign-in h1", "Sign in")


def test_passkeys_are_added_named_and_removed_by_who_says_the_password(browser: Browser, gateway: Served) -> None:
    with authenticator(browser):
        sign_in(browser, gateway)
        gateway.run(gateway.services.audit.database.transact([AGED]))
        browser.find(".access .button", "Make a passkey").click()
        browser.find("dialog input[type=password]").send_keys(WORDS + "\n")
        browser.find(".access tr", "Passkey at localhost").find_element(By.CSS_SELECTOR, "button").click()
        browser.find("dialog input").send_keys(" of Ann\n")
        browser.find(".access tr", "of Ann").find_element(By.CSS_SELECTOR, ".danger").click()
        gateway.run(gateway.services.audit.database.transact([AGED]))
        browser.find("dialog .button.primary", "Remove").click()  # and the passkey is shown, for it was a while
        browser.find(".sign-in h1", "Sign in")
        assert gateway.run(gateway.services.owner.record.passkeys()) == []


def test_who_is_not_set_up_is_told_that_everybody_here_may_come_in(browser: Browser, gateway: Served) -> None:
    browser.open(f"{at_name(gateway)}/#/access")
    browser.find(".access .card", "Nobody needs to sign in yet")
    set_up(browser, gateway)
