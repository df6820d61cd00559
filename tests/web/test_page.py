"""The page, used as a person uses it: in a browser, against a gateway as it is started, with the offline demo."""

import re
import struct
import zlib
from collections.abc import Generator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from carapax.errors import ModelUnauthorized
from carapax.messages import Thinking
from carapax.testing.provider import Answer, Pause, call
from tests.web.browser import MISSING, Browser
from tests.web.served import Process, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

SEND = Keys.ENTER
HELD = "until [ -e go ]; do sleep 0.05; done; rm go"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process, None, None]:
    process = Process(tmp_path_factory.mktemp("home") / "home")
    process.start()
    try:
        yield process
    finally:
        process.close()


@pytest.fixture
def page(browser: Browser, gateway: Process) -> Generator[Browser, None, None]:
    """The page on a new session, with nothing kept from earlier."""
    browser.resize(1280, 800)
    gateway.start()
    browser.forget(gateway.url)
    browser.open(gateway.url)
    browser.find(".badge", "Offline demo")
    yield browser
    assert browser.violations == []
    browser.resize(1280, 800)
    browser.prefer()


def say(page: Browser, text: str) -> None:
    """Write into the composer and send, and wait for the end of the run."""
    page.find(".composer textarea").click()
    page.type(text, SEND)
    page.until("document.querySelector('.session .composer')")
    said = text.replace(Keys.SHIFT, "").replace(Keys.NULL, "")
    page.find(".user:not(.waiting) .bubble", said.split("\n")[0])
    answered(page)


def answered(page: Browser) -> None:
    page.until("document.querySelector('.conversation > :last-child:is(.answer, .notice)')")


def let_go(gateway: Process) -> None:
    """What is `HELD` goes on."""
    (gateway.home.workspaces / "main" / "go").touch()


def texts(page: Browser, css: str) -> list[str]:
    found = page.run("return [...document.querySelectorAll(given[0])].map((each) => each.textContent)", css)
    assert isinstance(found, list)
    return found


def test_a_message_is_answered_with_the_output_of_a_tool_in_its_sandbox(page: Browser) -> None:
    say(page, "run `uname -s && id -un`")
    page.find("details.tool[data-state=done] summary", "shell").click()
    assert page.find("details.tool .inside", "Linux").text.startswith("Arguments")
    assert re.search(r'"command": "uname -s && id -un"', texts(page, ".inside pre")[0])
    assert "Linux" in texts(page, ".inside pre")[1]
    assert page.find(".sessions a[aria-current=page]", "run `uname -s").is_displayed()
    assert re.fullmatch(r"#/s/[0-9a-z]{20}", str(page.run("return location.hash")))


def test_output_shows_while_the_tool_still_runs(page: Browser, gateway: Process) -> None:
    page.type(f"run `echo early; {HELD}; echo late`", SEND)
    page.find("details.tool[data-state=running] summary").click()
    early = page.find("details.tool[data-state=running] .inside", "early").text
    assert "late" not in early.split("Output")[1]
    let_go(gateway)
    page.find("details.tool[data-state=done] .inside", "late")
    answered(page)


def test_a_run_is_stopped(page: Browser) -> None:
    page.type("run `sleep 60`", SEND)
    page.find("details.tool[data-state=running]")
    page.find("button.stop").click()
    page.find(".notice", "You stopped the run")
    assert texts(page, "details.tool .elapsed")[0].startswith(("stopped", "failed"))


def test_a_message_during_a_run_waits_until_it_is_taken(page: Browser, gateway: Process) -> None:
    page.type(f"run `{HELD}`", SEND)
    page.find("details.tool[data-state=running]")
    page.type("what did I say", SEND)
    page.find(".user.waiting footer", "Queued")
    let_go(gateway)
    page.find(".answer", "You said")
    assert texts(page, ".user.waiting") == []


def test_the_timeline_travels_and_forks(page: Browser) -> None:
    say(page, "write first to a.txt")
    say(page, "write second to a.txt")
    page.find(".tabs a[href$=timeline]").click()
    last = int(page.find(".events li.selected .seq").text)
    assert texts(page, ".event .kind")[:3] == ["Session started", "Message received", "State changed"]
    assert texts(page, ".before .bubble") == ["write first to a.txt", "write second to a.txt"]
    finished = 1 + texts(page, ".event .kind").index("Run finished")
    page.find(".travel input").click()
    page.type(Keys.HOME)
    page.find(".before", "Nothing had been said yet")
    page.type(*[Keys.ARROW_RIGHT] * (finished - 1))
    page.find(".travel .place", f"Event {finished} of {last}")
    page.until("document.querySelectorAll('.before .bubble').length === 1")
    page.find(f".events li[data-seq='{finished - 1}'] .event").click()
    page.find(".travel .place", f"Event {finished - 1} of {last}")
    page.type(Keys.ARROW_DOWN)
    page.find(".travel .place", f"Event {finished} of {last}")
    page.find(f".events li[data-seq='{finished}'] .unfold").click()
    assert '"kind": "run_finished"' in page.find(".events pre").text
    page.find(".travel .button", "Fork from here").click()
    page.find(".meta", f"Forked at event {finished}")
    page.until("document.querySelector('.conversation .bubble')")
    assert texts(page, ".conversation .bubble") == ["write first to a.txt"]
    say(page, "what did I say")
    assert "write first to a.txt" in texts(page, ".answer")[-1]
    assert "write second" not in texts(page, ".answer")[-1]


def test_a_reload_keeps_the_place_and_what_was_begun_to_be_written(page: Browser) -> None:
    say(page, "write hello to hello.txt")
    page.type("a draft")
    before, place = texts(page, ".conversation > article"), page.run("return location.hash")
    page.driver.refresh()
    page.until("document.querySelectorAll('.conversation > article').length === given[0]", len(before))
    assert (texts(page, ".conversation > article"), page.run("return location.hash")) == (before, place)
    assert page.run("return document.querySelector('textarea').value") == "a draft"


def test_killed_and_started_again_the_gateway_is_found_and_nothing_is_lost_or_doubled(
    page: Browser, gateway: Process
) -> None:
    say(page, "remember the first")
    gateway.kill()
    page.find(".banner", "No connection")
    page.type("remember the second", SEND)
    page.find(".user.waiting footer", "Waiting for the connection")
    page.type("remember the third", SEND)
    gateway.start()
    page.until("document.querySelectorAll('.user:not(.waiting)').length === 3", within_s=20)
    answered(page)
    expected = ["remember the first", "remember the second", "remember the third"]
    assert texts(page, ".user .bubble") == expected
    page.driver.refresh()
    page.until("document.querySelectorAll('.user:not(.waiting)').length === 3")
    assert texts(page, ".user .bubble") == expected
    page.until("!Object.keys(localStorage).some((name) => name.includes('outbox'))")


def test_killed_in_the_middle_of_a_run_the_page_goes_on_where_the_gateway_does(page: Browser, gateway: Process) -> None:
    page.type("run `echo begun; sleep 30`", SEND)
    page.find("details.tool[data-state=running] summary").click()
    page.find("details.tool .inside", "begun")
    gateway.kill()
    gateway.start()
    page.find("details.tool[data-state=error]", within_s=20)
    answered(page)
    say(page, "what did I say")
    assert texts(page, ".user .bubble") == ["run `echo begun; sleep 30`", "what did I say"]


def test_a_session_is_renamed_found_and_ended(page: Browser) -> None:
    say(page, "help")
    page.find(".bar button[aria-label=Rename]").click()
    page.type(Keys.CONTROL + "a" + Keys.NULL, "Holiday in Norway", SEND)
    page.find(".heading h1", "Holiday in Norway")
    page.find(".sessions .title", "Holiday in Norway")
    page.find(".bar button[aria-label='End session']").click()
    page.find("dialog .primary").click()
    page.find(".notice", "Session ended")
    assert not page.find(".composer textarea").is_enabled()


def test_the_keyboard_is_enough(page: Browser) -> None:
    page.type("help", SEND)
    answered(page)
    page.run("document.activeElement.blur()")
    page.type("?")
    page.find("dialog.shortcuts", "Keyboard shortcuts")
    page.type(Keys.ESCAPE)
    page.until("!document.querySelector('dialog')")
    page.type("t")
    page.find(".timeline")
    page.type("t")
    page.find(".chat")
    page.run("document.activeElement.blur()")
    page.type("n")
    page.find(".welcome")
    page.find(".sessions a").send_keys(Keys.ARROW_DOWN, Keys.ARROW_UP, SEND)
    page.find(".session .answer")
    page.run("document.querySelector('.skip').focus()")
    page.find(".skip", "Skip to the conversation")
    page.type(SEND)
    page.until("document.activeElement.matches('textarea')")
    outline = page.run("return getComputedStyle(document.querySelector('.box')).borderColor")
    assert outline != page.run("return getComputedStyle(document.querySelector('.bar')).borderColor")


def test_every_control_has_a_name_for_screen_readers(page: Browser) -> None:
    say(page, "run `echo hi`")
    for place in ("", "/timeline"):
        page.run("location.hash = location.hash.replace('/timeline', '') + given[0]", place)
        page.find(".timeline" if place else ".chat")
        unnamed = page.run("""
            const named = (each) => each.textContent.trim() || each.ariaLabel || each.title || each.labels?.length;
            const controls = [...document.querySelectorAll("button, a, input, textarea, select, summary")];
            return controls.filter((each) => !named(each)).map((each) => each.outerHTML);
        """)
        assert unnamed == []
    page.run("location.hash = location.hash.replace(/.timeline.*/, '')")
    say(page, "what did I say")
    page.until("document.querySelector('[aria-live=polite]').textContent.startsWith('Answer finished. You said')")


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_scrolls_in_one_direction_and_has_its_sessions_in_a_drawer(page: Browser, width: int) -> None:
    page.resize(width, 740, phone=True)
    wide = "x" * 200
    say(page, f"run `echo {wide}; printf '| a | b |'`")
    say(page, "help")
    for place in ("", "/timeline"):
        page.run("location.hash = location.hash.replace('/timeline', '') + given[0]", place)
        page.find(".timeline" if place else ".chat")
        assert page.run("return [document.documentElement, main].map((each) => each.scrollWidth)") == [width, width]
    page.until("!document.querySelector('.sessions a').checkVisibility({ visibilityProperty: true })")
    page.find(".bar button[aria-label='Show sessions']").click()
    page.find(".sessions a", "run `echo")
    page.type(Keys.ESCAPE)
    page.until("getComputedStyle(document.querySelector('.sidebar')).visibility === 'hidden'")


def test_light_and_dark_follow_the_system_until_one_is_chosen(page: Browser) -> None:
    def brightness() -> int:
        red = page.run("return parseInt(/\\d+/.exec(getComputedStyle(document.body).backgroundColor)[0])")
        assert isinstance(red, int)
        return red

    page.prefer(prefers_color_scheme="dark")
    assert brightness() < 60
    page.prefer(prefers_color_scheme="light")
    assert brightness() > 200
    toggle = page.find(".foot button")
    toggle.click()
    toggle.click()
    assert toggle.get_attribute("aria-label") == "Theme: dark"
    assert brightness() < 60
    page.driver.refresh()
    page.find(".welcome")
    assert brightness() < 60


def test_motion_stops_where_it_is_not_wanted(page: Browser, gateway: Process) -> None:
    page.prefer(prefers_reduced_motion="reduce")
    page.type(f"run `{HELD}`", SEND)
    page.find(".working")
    assert page.run("return getComputedStyle(document.querySelector('.pulse')).animationDuration") == "0s"
    let_go(gateway)
    answered(page)


def test_a_session_that_does_not_exist_is_said_so(page: Browser, gateway: Process) -> None:
    page.open(f"{gateway.url}/#/s/nothing")
    page.find(".missing", "This session does not exist")


def test_an_answer_grows_as_the_model_writes_and_thoughts_are_folded(browser: Browser, tmp_path: Path) -> None:
    pause = Pause()
    with served(tmp_path, [(Thinking("let me see"), "Here is **half** ", pause, "of *it*.")]) as gateway:
        browser.open(gateway.url)
        browser.find(".composer textarea")
        browser.type("go", SEND)
        gateway.run(pause.reached())
        browser.find(".answer.live .markdown", "Here is half")
        browser.find(".thinking summary", "Thinking…")
        gateway.run(_release(pause))
        browser.find(".answer:not(.live) .markdown em", "it")
        assert texts(browser, ".answer .markdown") == ["Here is half of it."]
        browser.find(".thinking summary", "Thought").click()
        browser.find(".thought", "let me see")
        assert browser.violations == []


def test_a_reload_in_the_middle_of_an_answer_ends_with_all_of_it(browser: Browser, tmp_path: Path) -> None:
    pause = Pause()
    with served(tmp_path, [("The beginning, ", pause, "the end.")]) as gateway:
        browser.open(gateway.url)
        browser.find(".composer textarea")
        browser.type("go", SEND)
        browser.find(".answer.live .markdown", "The beginning")
        browser.driver.refresh()
        browser.find(".working")
        gateway.run(_release(pause))
        assert browser.find(".answer:not(.live) .markdown").text == "The beginning, the end."


def test_a_hostile_answer_and_a_hostile_tool_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"
    script: list[Answer] = [
        call("write_file", path=hostile.replace("/", ""), content=hostile),
        f"{hostile}\n\n[x](javascript:document.title='pwned') ![i](https://example.org/i.png)",
    ]
    with served(tmp_path, script) as gateway:
        browser.open(gateway.url)
        browser.find(".composer textarea")
        browser.type(hostile, SEND)
        answered(browser)
        browser.find("details.tool summary").click()
        browser.find(".tabs a[href$=timeline]").click()
        browser.find(".events li")
        browser.run("for (const unfold of document.querySelectorAll('.unfold')) unfold.click()")
        assert "pwned" not in str(browser.run("return document.title.replace(given[0], '')", hostile[:80]))
        assert browser.all("main img, main script, main iframe, main a[href^=javascript]") == []
        assert browser.violations == []


def test_a_failed_run_says_why_and_what_to_do(browser: Browser, tmp_path: Path) -> None:
    refused = ModelUnauthorized("the vendor refused the key", "set EXAMPLE_KEY to a valid key")
    with served(tmp_path, [refused, "Now it works."]) as gateway:
        browser.open(gateway.url)
        browser.find(".composer textarea")
        browser.type("go", SEND)
        notice = browser.find(".notice.error", "The run failed")
        assert "the vendor refused the key" in notice.text
        assert "set EXAMPLE_KEY" in notice.text
        browser.find(".notice .button", "Try again").click()
        browser.find(".answer", "Now it works.")
        assert texts(browser, ".bubble") == ["go", "go"]


def test_a_token_is_asked_for_once_one_exists_and_signing_out_forgets_it(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path, ["Hello."]) as gateway:
        _, secret = gateway.run(gateway.services.tokens.create("browser", ("write",)))
        browser.open(gateway.url)
        browser.find(".sign-in h1", "Sign in")
        browser.type("cpx_wrong", SEND)
        browser.find(".sign-in .problem", "the token is not known")
        browser.type(Keys.CONTROL + "a" + Keys.NULL, secret.reveal(), SEND)
        browser.find(".welcome")
        browser.find(".composer textarea").click()
        browser.type("hi", SEND)
        browser.find(".answer", "Hello.")
        second, other = gateway.run(gateway.services.tokens.create("other", ("write",)))
        browser.find("button[aria-label='Sign out']").click()
        browser.find(".sign-in h1", "Sign in")
        browser.type(other.reveal(), SEND)
        browser.find(".sessions a")
        gateway.run(gateway.services.tokens.revoke(second.id))
        browser.find(".sign-in h1", "Sign in")


async def _release(pause: Pause) -> None:
    pause.release()


def test_files_go_along_and_are_seen_in_the_conversation(browser: Browser, tmp_path: Path) -> None:
    picture, broken = tmp_path / "red.png", tmp_path / "empty.txt"
    picture.write_bytes(_png(48, 32))
    broken.write_bytes(b"")
    with served(tmp_path / "home", ["A red picture.", "Thanks."]) as gateway:
        browser.open(gateway.url)
        browser.find(".composer textarea")
        browser.all(".composer input[type=file]")[0].send_keys(f"{picture}\n{broken}")
        browser.find(".attachments li:not(.busy) .name", "red.png")
        browser.find(".attachments li.failed", "the file is empty")
        browser.find(".attachments li.failed .icon-button").click()
        browser.find(".composer textarea").click()
        browser.type("What is this?", SEND)
        answered(browser)
        browser.until("document.querySelector('.user .files img')?.naturalWidth === 48")
        assert browser.all(".attachments li") == []
        browser.driver.refresh()
        browser.until("document.querySelector('.user .files img')?.naturalWidth === 48")
        paste = """
            const files = new DataTransfer();
            files.items.add(new File(["a,b"], "table.csv", { type: "text/csv" }));
            const options = { clipboardData: files, bubbles: true, cancelable: true };
            document.querySelector(".composer textarea").dispatchEvent(new ClipboardEvent("paste", options));
        """
        browser.find(".composer textarea").click()
        browser.run(paste)
        browser.find(".attachments li:not(.busy) .name", "table.csv")
        browser.type("And this?", SEND)
        browser.find(".user .files a", "table.csv")
        answered(browser)
        assert browser.violations == []


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xc0\x20\x20" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
