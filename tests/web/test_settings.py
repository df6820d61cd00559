"""The Settings screen in a real browser."""

import tomllib
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest
from selenium.webdriver.remote.webelement import WebElement

from carapax.config import Config
from carapax.configschema import tables
from tests.web import furnished
from tests.web.accessible import overflowing, unreachable, violations
from tests.web.browser import MISSING, Browser
from tests.web.served import Process

pytestmark = pytest.mark.skipif(MISSING, reason="needs Chromium and its driver")
CONFIG = """\
# mine
[agents.main]
model = "demo/demo"  # offline

[gateway]
port = 0
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process, None, None]:
    process = Process(tmp_path_factory.mktemp("settings") / "home", CONFIG)
    process.start()
    yield process
    process.close()


@pytest.fixture
def page(browser: Browser, gateway: Process) -> Generator[Browser, None, None]:
    put(gateway, CONFIG)
    browser.resize(1280, 860)
    yield browser
    assert browser.violations == []
    browser.forget(gateway.url)


def put(gateway: Process, text: str) -> None:
    """Have the gateway know what the file says now."""
    gateway.home.config_file.write_text(text)
    request = urllib.request.Request(f"{gateway.url}/api/config/reload", method="POST")
    with suppress(urllib.error.HTTPError), urllib.request.urlopen(request):
        pass


def go(page: Browser, gateway: Process, place: str) -> None:
    furnished.go(page, gateway, f"settings/{place}")


def field(page: Browser, form: str, name: str) -> WebElement:
    return page.find(f'form[aria-label="{form}"] [name="{name}"]')


def save(page: Browser, form: str) -> None:
    page.find(f'form[aria-label="{form}"] .button.primary').click()


def test_who_comes_back_from_an_editor_sees_what_became_of_the_edit(page: Browser, gateway: Process) -> None:
    go(page, gateway, "user")
    field(page, "user", "name").send_keys("Sa")
    put(gateway, "[gateway\n")
    page.run("dispatchEvent(new Event('focus'))")
    page.find(".note", "The file is not in force: line 1")
    assert field(page, "user", "name").get_attribute("value") == "Sa"
    put(gateway, CONFIG)
    page.run("dispatchEvent(new Event('focus'))")
    page.until("!document.querySelector('.note')")


def test_a_change_keeps_the_file_and_a_wrong_one_is_said_at_its_field(page: Browser, gateway: Process) -> None:
    go(page, gateway, "agents/main")
    field(page, "agents.main", "description").send_keys("helps")
    field(page, "agents.main", "model").clear()
    field(page, "agents.main", "model").send_keys("nobody/x")
    save(page, "agents.main")
    page.find(".field .problem", "nobody")
    assert field(page, "agents.main", "description").get_attribute("value") == "helps"
    field(page, "agents.main", "model").clear()
    field(page, "agents.main", "model").send_keys("demo/demo")
    field(page, "agents.main", "max_iterations").clear()
    field(page, "agents.main", "max_iterations").send_keys("7")
    save(page, "agents.main")
    page.find(".field small", "changed by local")
    text = gateway.home.config_file.read_text()
    assert text.startswith('# mine\n[agents.main]\nmodel = "demo/demo"  # offline\n')
    assert tomllib.loads(text)["agents"]["main"] == {"model": "demo/demo", "description": "helps", "max_iterations": 7}


def test_a_broken_file_and_what_needs_a_restart_are_said_at_the_top(page: Browser, gateway: Process) -> None:
    put(gateway, CONFIG.replace("port = 0", "prot = 0"))
    go(page, gateway, "gateway")
    page.find(".settings .note", "The file is not in force: line 6")
    put(gateway, CONFIG)
    go(page, gateway, "gateway")
    assert page.all(".settings .note[role=alert]") == []
    field(page, "gateway", "port").clear()
    field(page, "gateway", "port").send_keys("20999")
    save(page, "gateway")
    page.find(".settings .note", "In force only after a restart")


def test_entries_and_rules_come_and_go(page: Browser, gateway: Process) -> None:
    go(page, gateway, "agents")
    page.find('form[aria-label="Add"] input').send_keys("bob\n")
    field(page, "agents.bob", "model").clear()
    field(page, "agents.bob", "model").send_keys("demo/demo")
    save(page, "agents.bob")
    page.find(".settings .button.danger", "Remove bob").click()
    page.find("dialog .button.primary, dialog .button.danger", "Remove").click()
    page.until("location.hash === '#/settings/agents'")
    assert gateway.home.config_file.read_text() == CONFIG
    go(page, gateway, "policy")
    page.find(".settings .card .button", "Add").click()
    page.find("dialog [name=verdict]").send_keys("deny")
    page.find("dialog [name=tool]").clear()
    page.find("dialog [name=tool]").send_keys("shell")
    page.find("dialog .button.primary").click()
    page.find(".settings tbody code", 'verdict = "deny", tool = "shell"')
    assert tomllib.loads(gateway.home.config_file.read_text())["policy"] == {
        "rules": [{"verdict": "deny", "tool": "shell"}]
    }


def test_a_search_finds_keys_by_what_they_mean_and_the_whole_is_shown_as_toml(page: Browser, gateway: Process) -> None:
    go(page, gateway, "")
    page.find(".settings input[type=search]").send_keys("time zone")
    page.find(".settings tbody a", "user.timezone").click()
    page.find('form[aria-label="user"] [name="timezone"]')
    page.find(".settings .actions a", "As TOML").click()
    page.find(".settings .toml", "[agents.main]")


def test_every_key_has_a_field_or_is_kept_in_the_vault(page: Browser, gateway: Process) -> None:
    go(page, gateway, "")
    missing = []
    for table in tables(Config()):
        place = [part if part != "*" else "main" for part in table.path]
        if table.path[:2] == ("policy", "rules") or not table.keys:
            continue  # a dialog, as above
        label = ".".join(place) or "General"
        page.run("location.hash = arguments[0]", f"#/settings/{'/'.join(place[:2]) or 'general'}")
        fields = page.until(
            "(() => { const form = document.querySelector(`form[aria-label='${arguments[0]}']`);"
            " return form && [...form.elements].map((each) => each.name) })()",
            label,
        )
        assert isinstance(fields, list)
        missing += [(label, key.name) for key in table.keys if key.type != "secret" and key.name not in fields]
    assert missing == []


@pytest.mark.parametrize("place", ["agents", "agents/main", "policy", "sandboxes/docker", "general", "toml"])
def test_every_place_can_be_used_by_everybody(page: Browser, gateway: Process, place: str) -> None:
    go(page, gateway, place)
    assert violations(page) == []
    assert unreachable(page) == []
    page.resize(360, 740, phone=True)
    assert (violations(page), overflowing(page)) == ([], [])
    page.resize(1280, 860)


def test_hostile_names_are_only_text(page: Browser, gateway: Process, tmp_path: Path) -> None:
    go(page, gateway, "models/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%2Fx")
    page.find(".settings .card h2", "<img src=x onerror=alert(1)>/x")
    assert page.all(".settings img") == []
