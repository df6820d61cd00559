"""The Models screen in a real browser: providers, their keys, and what they offer."""

from collections.abc import Generator, Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from carapax.cli.background import Background
from carapax.cli.rpc import find_gateway
from tests.fakes.vendor import Vendor
from tests.web.browser import MISSING, Browser
from tests.web.served import Process
from tests.web.test_settings import put

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")

KEY, WRONG = "sk-the-right-one-0123456789", "sk-the-wrong-one-0123456789"


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with Background(Vendor(KEY, models=("gpt-5", "gpt-5-mini", "o3"))) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Generator[Process, None, None]:
    config = f'[providers.openai]\nbase_url = "{vendor.url}"\nkey = "{KEY}"\n[agents.main]\nmodel = "demo/demo"\n'
    config += (
        f'[agents.writer]\nmodel = "used/gpt-5"\n[providers.used]\nbase_url = "{vendor.url}/v1"\nkey_env = "UNSET"\n'
    )
    config += f'[providers.lab]\nbase_url = "{vendor.url}"\nkey = "{KEY}"\n'
    process = Process(tmp_path_factory.mktemp("models") / "home", config)
    process.start()
    yield process
    process.close()


@pytest.fixture
def page(browser: Browser, gateway: Process) -> Generator[Browser, None, None]:
    browser.resize(1280, 860)
    browser.open(gateway.url)
    browser.find(".screens a", "Models").click()
    browser.find(".models tbody tr")
    yield browser
    assert browser.violations == []
    browser.forget(gateway.url)


def rows(page: Browser) -> list[str]:
    found = page.run("return [...document.querySelectorAll('.models tbody tr')].map((row) => row.innerText)")
    assert isinstance(found, list)
    return [" ".join(str(row).split()) for row in found]


def begin(page: Browser, url: str, name: str, key: str) -> None:
    """Fill the form for a server of one's own."""
    page.find(".bar .button", "Add a provider").click()
    choose = "const choice = document.querySelector('.provider-form select'); choice.value = '';"
    page.run(choose + "choice.dispatchEvent(new Event('change'))")
    for field, text in zip(page.all(".provider-form input")[:3], (name, url, key), strict=True):
        field.clear()
        field.send_keys(text)


def test_models_are_shown_with_what_they_take_and_cost_and_are_searched(page: Browser) -> None:
    assert rows(page)[0] == "openai/gpt-5 400,000 $1.25 $10.00 Yes"
    page.find(".models input[type=search]").send_keys("MINI")
    page.until("document.querySelectorAll('.models tbody tr').length === 2")
    page.find(".models input[type=search]").send_keys("nothing")
    page.find(".models .none", "Nothing matches")


def test_what_was_added_elsewhere_is_offered_and_shown_to_who_comes_back(
    page: Browser, gateway: Process, vendor: Vendor
) -> None:
    offers = "[...document.querySelectorAll('dialog option')].some(({ value }) => value.startsWith(given[0]))"
    page.open(gateway.url)
    page.find(".composer textarea").send_keys("hello", Keys.ENTER)
    page.find(".choice", "demo/demo").click()
    page.until(offers, "lab/")
    page.type(Keys.ESCAPE)
    running = find_gateway(gateway.home)
    assert running is not None
    running.call("provider.add", {"name": "later", "base_url": vendor.url, "key": KEY}, dict[str, object])
    gateway.carapax("config", "set", "agents.main.model", "later/gpt-5")
    page.run("dispatchEvent(new Event('focus'))")
    page.find(".choice", "later/gpt-5").click()
    page.until(offers, "later/")
    page.type(Keys.ESCAPE)
    gateway.carapax("config", "set", "agents.main.model", "demo/demo")
    running.call("provider.remove", {"provider": "later"}, dict[str, object])


def test_a_key_is_refused_in_the_vendors_words_or_kept_and_never_shown(
    page: Browser, gateway: Process, vendor: Vendor
) -> None:
    begin(page, vendor.url, "work", WRONG)
    key = page.all(".provider-form input")[2]
    assert key.get_attribute("type") == "password"
    page.find(".provider-form .primary").click()
    page.find(".provider-form [role=alert]", "is not one of ours")
    assert "work" not in gateway.carapax("models", "providers")
    key.clear()
    key.send_keys(KEY, Keys.ENTER)
    page.find(".providers li", "work")
    page.until("document.querySelector('.adding').hidden")
    assert "Key in the vault" in page.find(".providers li", "work").text
    page.until("document.querySelectorAll('.models tbody tr').length === 9")
    assert "the vault" in gateway.carapax("models", "providers")
    kept = page.run("return document.body.innerHTML + JSON.stringify(localStorage)")
    assert KEY not in str(kept)
    running = find_gateway(gateway.home)
    assert running is not None
    running.call("provider.remove", {"provider": "work"}, dict[str, object])


def test_a_provider_is_checked_and_removed(page: Browser, vendor: Vendor, gateway: Process) -> None:
    begin(page, vendor.url, "spare", KEY)
    page.find(".provider-form .primary").click()
    page.find(".providers h2", "spare")
    page.run("document.querySelector('[data-key=\"check spare\"]').click()")
    page.find(".providers .checked", "models: 3")
    vendor.keys.clear()
    page.run("document.querySelector('[data-key=\"check spare\"]').click()")
    page.find(".providers .problem", "is not one of ours")
    vendor.keys.add(KEY)
    page.run("document.querySelector('[data-key=\"remove spare\"]').click()")
    page.find("dialog .primary", "Remove").click()
    page.until("![...document.querySelectorAll('.providers h2')].some((name) => name.textContent === 'spare')")
    assert "spare" not in gateway.carapax("models", "providers")


def test_one_that_an_agent_uses_is_removed_only_after_a_second_question(page: Browser, gateway: Process) -> None:
    before = gateway.home.config_file.read_text(encoding="utf-8")
    page.run("document.querySelector('[data-key=\"remove used\"]').click()")
    page.find("dialog .primary", "Remove").click()
    page.find("dialog p", "used is used by the agent writer")
    page.find("dialog .button", "Cancel").click()
    page.until("!document.querySelector('dialog')")
    assert "used" in gateway.carapax("models", "providers")
    page.run("document.querySelector('[data-key=\"remove used\"]').click()")
    page.find("dialog .primary", "Remove").click()
    page.find("dialog .primary", "Remove anyway").click()
    page.until("![...document.querySelectorAll('.providers h2')].some((name) => name.textContent === 'used')")
    put(gateway, before)


def test_the_form_is_closed_by_escape_and_every_field_has_a_name(page: Browser) -> None:
    page.find(".bar .button", "Add a provider").click()
    unnamed = "[...document.querySelectorAll('.models :is(input, select, button)')].filter((each) => "
    unnamed += "!(each.labels?.length || each.ariaLabel || each.textContent.trim())).length"
    assert page.run(f"return {unnamed}") == 0
    page.find(".provider-form select").send_keys(Keys.ESCAPE)
    page.until("document.querySelector('.adding').hidden")


def test_on_a_phone_everything_fits(page: Browser) -> None:
    page.resize(390, 800, phone=True)
    page.find(".bar .button", "Add a provider").click()
    page.find(".provider-form")
    assert page.run("return document.querySelector('.models .scroller').scrollWidth") == 390
    page.resize(1280, 860)


def test_a_session_begins_with_the_model_that_is_chosen_here(page: Browser) -> None:
    page.find(".models tbody a", "lab/gpt-5-mini").click()
    page.find(".who .model-name", "lab/gpt-5-mini")
    page.find(".composer textarea").send_keys("who are you", Keys.ENTER)
    page.find(".answer", "I am gpt-5-mini.")
    page.find(".meta .model-name", "lab/gpt-5-mini")
