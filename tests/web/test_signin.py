"""Signing in, in a real browser with an authenticator of its own."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from carapax.redaction import Secret
from carapax.store.audit import LOCAL
from carapax.store.signins import SignIn
from tests.web.accessible import overflowing, unreachable, violations
from tests.web.browser import MISSING, WAIT_S, Browser
from tests.web.served import Served, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
WORDS = "correct horse battery staple"


@contextmanager
def authenticator(browser: Browser) -> Generator[None, None, None]:
    """One that knows its owner, such as a laptop with a fingerprint reader."""
    options = VirtualAuthenticatorOptions(
        protocol=VirtualAuthenticatorOptions.Protocol.CTAP2,
        transport=VirtualAuthenticatorOptions.Transport.INTERNAL,
        has_resident_key=True,
        has_user_verification=True,
        is_user_verified=True,
    )
    browser.driver.add_virtual_authenticator(options)
    try:
        yield
    finally:
        browser.driver.remove_virtual_authenticator()


@contextmanager
def nothing_offered(browser: Browser) -> Generator[None, None, None]:
    """The browser offers no passkey by itself meanwhile: an authenticator that knows its owner would take it at once,
    and be in before anybody has pressed a button."""
    source = (
        "globalThis.PublicKeyCredential && (PublicKeyCredential.isConditionalMediationAvailable = async () => false)"
    )
    script = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    try:
        yield
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.fixture
def gateway(browser: Browser, tmp_path: Path) -> Generator[Served, None, None]:
    with served(tmp_path, lambda request: "Hello.") as opened:
        browser.resize(1280, 800)
        browser.forget(at_name(opened))
        yield opened
        assert browser.violations == []


def at_name(gateway: Served) -> str:
    """Passkeys belong to names, and so to no address."""
    return gateway.url.replace("127.0.0.1", "localhost")


def set_up(browser: Browser, gateway: Served) -> None:
    """As far as the choice of a credential."""
    code = gateway.services.owner.code.make().reveal()
    browser.open(f"{at_name(gateway)}/#/setup")
    browser.find(".sign-in h1", "Make this gateway yours")
    browser.type("AAAA-AAAA", Keys.ENTER)
    browser.find(".sign-in .problem", "4 tries are left")
    browser.type(Keys.CONTROL + "a" + Keys.NULL, code.lower(), Keys.ENTER)
    browser.find(".sign-in p", "Now choose how you will sign in.")


def sign_out(browser: Browser) -> None:
    browser.find("button[aria-label='Sign out']").click()
    browser.find(".sign-in h1", "Sign in")


def signed_in_after(gateway: Served, left: str) -> list[SignIn]:
    """The sign-ins, once there are some without the one that was left."""
    give_up = time.monotonic() + WAIT_S
    while not (found := gateway.run(gateway.services.signins.list())) or left in [each.id for each in found]:
        assert time.monotonic() < give_up
    return found


def test_a_newcomer_makes_a_passkey_with_the_setup_code_and_signs_in_with_it(browser: Browser, gateway: Served) -> None:
    with authenticator(browser):
        set_up(browser, gateway)
        browser.find("button", "Make a passkey").click()
        browser.find(".welcome")
        (passkey,) = gateway.run(gateway.services.owner.record.passkeys())
        assert (passkey.name, passkey.host) == ("First passkey", "localhost")
        (signin,) = gateway.run(gateway.services.signins.list())
        assert (signin.how, signin.credential, signin.browser) == ("passkey", passkey.id, "Chrome, Linux")
        with nothing_offered(browser):
            sign_out(browser)
            assert gateway.run(gateway.services.signins.list()) == []
            browser.find("button", "Sign in with a passkey").click()
            browser.find(".welcome")
        (left,) = gateway.run(gateway.services.signins.list())
        browser.find("button[aria-label='Sign out']").click()
        # The authenticator takes at once what is offered in the password's field, maybe before the page is loaded anew.
        (signin,) = signed_in_after(gateway, left.id)
        assert (signin.how, signin.credential) == ("passkey", passkey.id)
        browser.find(".welcome")


def test_a_newcomer_sets_a_password_and_signs_in_with_it(browser: Browser, gateway: Served) -> None:
    set_up(browser, gateway)
    browser.find(".sign-in input[type=password]").click()
    browser.type("too short", Keys.ENTER)
    browser.type(Keys.CONTROL + "a" + Keys.NULL, WORDS, Keys.ENTER)
    browser.find(".welcome")
    sign_out(browser)
    browser.find(".sign-in input[name=password]").click()
    browser.type("not my password", Keys.ENTER)
    browser.find(".sign-in .problem", "the password is wrong")
    browser.type(Keys.CONTROL + "a" + Keys.NULL, WORDS, Keys.ENTER)
    browser.find(".welcome")
    gateway.run(gateway.services.signins.end_all(LOCAL))
    browser.find(".sign-in h1", "Sign in")


WATCH = """
    const { fetch: really, WebSocket: Real } = window;
    window.asked = [];
    window.fetch = async (path, ...rest) => {
        asked.push(path);
        const answer = await really(path, ...rest);
        return path === "logout" ? new Promise(() => (window.isOut = answer.ok)) : answer;
    };
    const { send } = Real.prototype;
    Real.prototype.send = function (data) {
        window.line = this;
        asked.push(JSON.parse(data).method);
        return send.call(this, data);
    };
    window.WebSocket = class extends Real {
        constructor(...given) {
            super(...given);
            asked.push("connection");
        }
    };
    navigator.credentials.get = () => asked.push("passkey");
    dispatchEvent(new Event("online"));
    while (!window.line) await new Promise((done) => setTimeout(done));
    asked.length = 0;
    document.querySelector("button[aria-label='Sign out']").click();
"""
STIR = """
    line.dispatchEvent(new CloseEvent("close"));
    for (const name of ["online", "focus", "visibilitychange"]) dispatchEvent(new Event(name));
    const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    ["n", "t", "?"].forEach(press);
    location.hash = "#/setup";
    await new Promise((done) => addEventListener("hashchange", done, { once: true }));
    return asked;
"""


def test_nothing_of_a_page_that_is_left_by_signing_out_acts_any_more(browser: Browser, gateway: Served) -> None:
    """Not while the gateway is told, nor until the new page is there, which a slow line puts off."""
    set_up(browser, gateway)
    browser.find(".sign-in input[type=password]").click()
    browser.type(WORDS, Keys.ENTER)
    browser.find(".welcome")
    browser.run(WATCH)
    browser.until("window.isOut")
    assert browser.run(STIR) == ["logout"]
    assert browser.run("return document.querySelectorAll('a, button, input, textarea, dialog').length") == 0
    browser.open(at_name(gateway))
    browser.find(".sign-in h1", "Sign in")


def test_a_stranger_sees_nothing_but_the_way_in(browser: Browser, gateway: Served) -> None:
    gateway.run(gateway.services.owner.password.set(Secret(WORDS), LOCAL))
    for place in ("", "#/costs", "#/s/some-session", "#/access"):
        browser.open(f"{at_name(gateway)}/{place}")
        browser.find(".sign-in h1", "Sign in")
        seen = browser.run("return document.body.innerText")
        assert isinstance(seen, str)
        assert not any(word in seen for word in ("main", "0.1.0", "demo", "Sessions", "127.0.0.1"))


@pytest.mark.parametrize("place", ["", "#/setup"])
def test_the_way_in_can_be_used_by_everybody(browser: Browser, gateway: Served, place: str) -> None:
    gateway.run(gateway.services.owner.password.set(Secret(WORDS), LOCAL))
    browser.open(f"{at_name(gateway)}/{place}")
    browser.find(".sign-in h1")
    assert (violations(browser), unreachable(browser)) == ([], [])
    browser.resize(360, 740, phone=True)
    assert (violations(browser), overflowing(browser)) == ([], [])
    browser.resize(1280, 800)


def test_a_passkey_that_a_person_asks_for_is_not_given_up_for_the_offer_of_one(modules: Browser) -> None:
    seen = modules.run("""
        const { SignIn } = await import("/views/signin.js");
        const settle = () => new Promise((done) => setTimeout(done));
        const { PublicKeyCredential: real, fetch: really } = window;
        const { get } = navigator.credentials;
        let told;
        const asked = [];
        const isKnown = new Promise((done) => (told = () => done(true)));
        const known = { parseRequestOptionsFromJSON: (given) => given, isConditionalMediationAvailable: () => isKnown };
        window.PublicKeyCredential = known;
        window.fetch = async () => ({ ok: true, json: async () => ({}) });
        navigator.credentials.get = (options) => new Promise(() => asked.push(options));
        const way = new SignIn(() => {});
        try {
          way.show({ passkeys: true, secure: true, elsewhere: "" }, false);
          way.element.querySelector(".button.primary").click();
          await settle();
          told();
          await settle();
          return asked.map(({ mediation = "asked for", signal }) => [mediation, signal.aborted]);
        } finally {
          way.close();
          Object.assign(window, { PublicKeyCredential: real, fetch: really });
          navigator.credentials.get = get;
        }
    """)
    assert seen == [["asked for", False]]
