"""What goes along with a message, and what is pasted or dropped: nothing of it is left out unsaid, and nothing runs."""

from collections.abc import Generator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import MISSING, Browser
from tests.web.served import Served, served

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
SAID = "return [...document.querySelectorAll('.user .bubble')].map((each) => each.textContent)"
CHIPS = """
    const told = (each) => ["name", "small"].map((css) => each.querySelector(`.${css}, ${css}`).textContent).join(" ");
    return [...document.querySelectorAll(".attachments li")].map(told);
"""
HOSTILE = '<img src=x onerror="document.title=1"><b>bold</b><script>document.title=2</script><iframe src="/"></iframe>'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served, None, None]:
    with served(tmp_path_factory.mktemp("home"), ["Seen."] * 9) as running:
        yield running


@pytest.fixture
def page(browser: Browser, gateway: Served) -> Generator[Browser, None, None]:
    browser.resize(1280, 800)
    browser.forget(gateway.url)
    browser.open(gateway.url)
    browser.find(".composer textarea").click()
    yield browser
    assert browser.violations == []


def choose(page: Browser, *paths: Path) -> None:
    page.all(".composer input[type=file]")[0].send_keys("\n".join(map(str, paths)))
    page.until("document.querySelector('.attachments li') && !document.querySelector('.attachments li.busy')")


def test_a_message_waits_for_a_file_that_did_not_arrive_until_it_is_tried_again_or_left_out(
    page: Browser, tmp_path: Path
) -> None:
    good, lost, empty = tmp_path / "good.txt", tmp_path / "lost.txt", tmp_path / "empty.txt"
    for path in (good, lost):
        path.write_text("words", encoding="utf-8")
    empty.touch()
    fail = "window.really ??= fetch; fetch = (...all) => all[0].includes(given[0]) ? Promise.reject(0) : really(...all)"
    page.run(fail, "lost.txt")
    choose(page, good, lost, empty)
    page.find(".composer textarea").click()
    page.type("Read them", Keys.ENTER)
    page.find(".attachments .failed small", "could not be sent Your message waits: try again, or leave it out.")
    assert page.run("return document.activeElement.textContent") == "Try again"
    assert (page.run(SAID), page.run("return document.querySelector('.composer textarea').value")) == ([], "Read them")
    page.run(fail, "none")
    page.type(Keys.ENTER)
    page.until("document.querySelectorAll('.attachments .failed').length === 1 && !document.querySelector('.busy')")
    page.find(".attachments .failed .icon-button").click()
    page.until("document.querySelectorAll('.attachments li').length === 2")
    page.find(".composer textarea").click()
    page.type(Keys.ENTER)
    page.until("document.querySelectorAll('.user .files a').length === 2")
    page.find(".answer .markdown", "Seen.")
    assert page.run(SAID) == ["Read them"]


def test_files_are_there_with_the_words_after_a_reload_and_what_had_not_arrived_is_said(
    page: Browser, tmp_path: Path
) -> None:
    good, lost = tmp_path / "good.txt", tmp_path / "lost.txt"
    for path in (good, lost):
        path.write_text("words", encoding="utf-8")
    page.run("window.really = fetch; fetch = (...all) => all[0].includes('lost') ? Promise.reject(0) : really(...all)")
    choose(page, good, lost)
    page.find(".composer textarea").click()
    page.type("Read both")
    page.driver.refresh()
    page.find(".attachments .failed .name", "lost.txt")
    assert page.run(CHIPS) == ["good.txt 5 B", "lost.txt could not be sent"]
    page.find(".composer textarea").click()
    page.type(Keys.ENTER)
    page.find(".attachments .failed small", "Your message waits")
    page.find(".attachments .failed .icon-button").click()
    page.find(".composer textarea").click()
    page.type(Keys.ENTER)
    page.until("document.querySelectorAll('.user .files a').length === 1")
    page.find(".answer .markdown", "Seen.")
    assert page.run("return Object.keys(localStorage).filter((name) => name.includes('draft'))") == []


def test_files_of_an_edited_message_that_is_not_taken_stay_with_it(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text("words", encoding="utf-8")
    page.type("Look", Keys.ENTER)
    page.find(".answer .markdown", "Seen.")
    page.run("""
        const { Connection, RpcError } = await import("/rpc.js");
        const call = Connection.prototype.call;
        Connection.prototype.call = function (method, ...rest) {
            if (method === "session.fork") return Promise.reject(new RpcError({ message: "not now" }));
            return call.call(this, method, ...rest);
        };
    """)
    page.run("document.querySelector('.user .acts button').click()")
    page.find(".editing", "goes to a copy")
    choose(page, path)
    page.find(".composer textarea").click()
    page.type(" again", Keys.ENTER)
    page.until("document.querySelectorAll('.attachments li').length === 1")
    assert page.run(CHIPS) == ["more.txt 5 B"]
    assert page.run("return document.querySelector('.composer textarea').value") == "Look again"


def test_a_message_that_is_too_long_for_the_line_is_refused_and_holds_up_no_other(page: Browser) -> None:
    page.run("""
        const text = document.querySelector(".composer textarea");
        text.value = "word ".repeat(20_000);
        text.dispatchEvent(new Event("input"));
    """)
    page.type(Keys.ENTER)
    page.find(".user", "longer than the gateway takes at once")
    page.find(".composer textarea").click()
    page.type("Short", Keys.ENTER)
    page.until("document.querySelector('.answer .markdown')?.textContent === 'Seen.'")


def test_more_files_than_go_along_are_said_and_not_left_out_unsaid(page: Browser, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(12)]
    for path in paths:
        path.write_text("words", encoding="utf-8")
    choose(page, *paths)
    told = page.run(
        "return [...document.querySelectorAll('.attachments .failed small')].map((each) => each.textContent)"
    )
    assert told == ["only 10 files go along with a message"] * 2


def test_of_what_is_pasted_only_its_text_goes_into_a_message(page: Browser) -> None:
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.run(
        """
        const blob = (text, type) => [type, new Blob([text], { type })];
        const parts = Object.fromEntries([blob(given[0], "text/html"), blob("bold & plain", "text/plain")]);
        await navigator.clipboard.write([new ClipboardItem(parts)]);
        violations.length = 0; // the browser parses the markup in order to clean it, which is refused
        """,
        HOSTILE,
    )
    page.type(Keys.CONTROL + "v" + Keys.NULL)
    assert page.until("document.querySelector('.composer textarea').value") == "bold & plain"
    page.type(HOSTILE, Keys.ENTER)
    page.find(".answer .markdown", "Seen.")
    assert page.run(SAID) == ["bold & plain" + HOSTILE]
    assert page.run("return document.querySelectorAll('#main :is(img, iframe, script, b)').length") == 0


PASTE = """
    const data = new DataTransfer();
    data.setData("text/plain", given[0].repeat(given[1]));
    const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
    return !document.querySelector(".composer textarea").dispatchEvent(event);
"""


def test_a_long_text_that_is_pasted_goes_along_as_a_file_unless_it_is_put_into_the_message(
    page: Browser, gateway: Served
) -> None:
    assert page.run(PASTE, "x1", 9_999) is False  # left to the browser
    for _ in range(2):
        assert page.run(PASTE, "x1", 750_000) is True
    page.until("document.querySelectorAll('.attachments li:not(.busy)').length === 2")
    assert page.run(CHIPS) == ["pasted text.txt 1.5 MB"] * 2
    page.type("Read it", Keys.ENTER)
    page.until("document.querySelectorAll('.user .files a').length === 2")
    page.find(".answer .markdown", "Seen.")
    page.run("const link = document.querySelector('.user .files a'); window.kept = await (await fetch(link)).text()")
    assert page.run("return kept === 'x1'.repeat(750_000)") is True
    page.type("Look: ")
    assert page.run(PASTE, "word ", 4_000) is True
    page.find(".attachments li:not(.busy) button", "Put into the message").click()
    page.until("!document.querySelector('.attachments li')")
    text = "document.querySelector('.composer textarea')"
    assert page.run(f"return [{text}.value, document.activeElement === {text}]") == ["Look: " + "word " * 4_000, True]


def test_no_letter_looks_as_its_neighbours_want_it(page: Browser) -> None:
    """Or else the lines of a long text without a space, such as 1x1x1, are measured from its start for each of them:
    20,000 letters took 1.4 s, and in the composer half a second for each that was typed."""
    wide = page.run("""
        await document.fonts.ready;
        const width = (parent, ligatures) => {
            const probe = Object.assign(document.createElement("span"), { textContent: "1x1x1x1x1" });
            probe.style.fontVariantLigatures = ligatures;
            parent.append(probe);
            return probe.getBoundingClientRect().width;
        };
        const middle = document.querySelector(".middle");
        middle.append(Object.assign(document.createElement("div"), { className: "bubble" }));
        const ways = ["", "no-contextual", "contextual"].map((each) => width(middle.lastChild, each));
        return [ways[0] === ways[1], ways[1] === ways[2]];
    """)
    assert wide == [True, False]
    inherited = "return getComputedStyle(document.querySelector('.composer textarea')).fontVariantLigatures"
    assert page.run(inherited) == "no-contextual"


@pytest.mark.parametrize("target", [".sidebar", ".middle h1", ".composer textarea"])
def test_what_is_dropped_runs_nothing_and_does_not_take_the_place_of_the_page(
    page: Browser, gateway: Served, tmp_path: Path, target: str
) -> None:
    file = tmp_path / "page.html"
    file.write_text(HOSTILE, encoding="utf-8")
    html = {"mimeType": "text/html", "data": HOSTILE}
    link = {"mimeType": "text/uri-list", "data": f"{gateway.url}/health"}
    words = {"mimeType": "text/plain", "data": "dropped words"}
    page.run("addEventListener('dragover', ({ defaultPrevented }) => (window.isHeld = defaultPrevented))")
    box = page.find(target).rect
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    for items, files in (([html, link, words], []), ([], [str(file)])):
        data = {"items": items, "files": files, "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            page.driver.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "data": data, **where})
    assert page.run("return isHeld") is True  # else the browser opens the file in place of the page
    if target != ".sidebar":
        page.find(".attachments .name", "page.html")
    if "textarea" in target:
        page.until("document.querySelector('.composer textarea').value")
    page.run("await new Promise((done) => setTimeout(done, 200))")
    taken = page.run("return document.querySelector('.composer textarea').value")
    page.find(".composer textarea")
    assert taken == ("dropped words" if "textarea" in target else "")
    assert page.driver.current_url == f"{gateway.url}/"
    made = "return [document.title, document.querySelectorAll('#main :is(img, iframe, script, b)').length]"
    assert page.run(made) == ["Carapax", 0]
