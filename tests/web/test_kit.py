"""kit.js: pages, tables, forms, buttons and tabs, as screens use them."""

import pytest

from tests.web.browser import MISSING, Browser

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

SETUP = """
    const kit = await import("./kit.js");
    const { RpcError } = await import("./rpc.js");
    const put = (node) => out.replaceChildren(node);
    const settle = () => new Promise((done) => setTimeout(done));
"""


def test_a_form_gives_what_was_typed_by_the_kind_of_each_field(modules: Browser) -> None:
    given = modules.run(
        SETUP
        + """
        let given = null;
        const fields = [
            { name: "title", label: "Title" },
            { name: "steps", label: "Steps", type: "number" },
            { name: "limit", label: "Limit", type: "number" },
            { name: "on", label: "On", type: "checkbox" },
            { name: "words", label: "Words", type: "list" },
            { name: "level", label: "Level", type: "select", options: ["low", { value: "high", label: "High" }] },
            { name: "zone", label: "Zone", type: "time zone" },
        ];
        const values = { title: "Ada", steps: 3, on: true, words: ["one", "two"], level: "high", zone: "UTC" };
        const form = kit.form({ fields, values, onsubmit: async (values) => (given = values) });
        put(form);
        form.querySelector("[name=words]").value = "one\\n\\n two \\nthree";
        form.requestSubmit();
        await settle();
        return [given, [...form.querySelectorAll("label")].every((label) => label.control)];
        """
    )
    words = ["one", "two", "three"]
    assert given == [
        {"title": "Ada", "steps": 3, "limit": None, "on": True, "words": words, "level": "high", "zone": "UTC"},
        True,
    ]


def test_what_is_refused_is_said_at_its_field_and_what_was_typed_stays(modules: Browser) -> None:
    said = modules.run(
        SETUP
        + """
        const refusals = [
            { message: "no", data: { fields: { "agents.main.title": "too long", other: "not so" } } },
            { message: "x: Expected `int` - at `$.steps`" },
            { message: "not now" },
        ];
        const fields = [{ name: "title", label: "Title" }, { name: "steps", label: "Steps" }];
        const onsubmit = async () => { throw new RpcError(refusals.shift()); };
        const form = kit.form({ fields, values: { title: "Ada" }, onsubmit });
        put(form);
        const seen = [];
        while (refusals.length) {
            form.requestSubmit();
            await settle();
            const [title, steps] = form.querySelectorAll("input");
            const about = (input) => input.getAttribute("aria-describedby").split(" ");
            const why = (input) => about(input).map((id) => document.getElementById(id).textContent).join("");
            const main = form.querySelector("p.problem").textContent;
            seen.push([title.value, title.ariaInvalid, why(title), why(steps), main, document.activeElement.name]);
        }
        return seen;
        """
    )
    assert said == [
        ["Ada", "true", "too long", "", "other: not so", "title"],
        ["Ada", None, "", "x: Expected `int` - at `$.steps`", "", "steps"],
        ["Ada", None, "", "", "not now", ""],
    ]


def test_a_button_is_pressed_once_while_it_works_and_tells_what_is_refused(modules: Browser) -> None:
    seen = modules.run(
        SETUP
        + """
        let pressed = 0, told = "", go;
        document.addEventListener("problem", ({ detail }) => (told = detail.message));
        const button = kit.button("Go", async () => {
            pressed += 1;
            await new Promise((done) => (go = done));
            throw new RpcError({ message: "no" });
        });
        put(button);
        button.click();
        button.click();
        const meanwhile = button.ariaBusy;
        go();
        await settle();
        return [pressed, meanwhile, button.ariaBusy, told];
        """
    )
    assert seen == [1, "true", None, "no"]


def test_a_page_loads_when_connected_and_keeps_the_focus_when_it_is_drawn_again(modules: Browser) -> None:
    seen = modules.run(
        SETUP
        + """
        const app = { rpc: { state: "connecting" }, menuButton: () => document.createElement("i") };
        let loads = 0;
        class Rows extends kit.Page {
            async load() {
                loads += 1;
                const cell = (row) => kit.button(row, () => {});
                const columns = [{ title: "Name", cell }];
                const rows = loads === 1 ? ["a", "b"] : ["b", "c"];
                this.put(kit.table({ caption: "Names", columns, rows, key: (row) => row }));
            }
        }
        const page = new Rows(app, "models");
        put(page.element);
        page.update();
        const before = loads;
        app.rpc.state = "open";
        page.update();
        page.update();
        await settle();
        page.content.querySelectorAll("button")[1].focus();
        await page.refresh();
        return [before, loads, document.activeElement.textContent, page.element.querySelector("h1").textContent];
        """
    )
    assert seen == [0, 2, "b", "Models"]


def test_rows_of_a_table_are_cards_on_a_phone_and_hostile_text_is_text(modules: Browser) -> None:
    modules.resize(360, 740)
    seen = modules.run(
        SETUP
        + """
        const hostile = "<img src=x onerror=alert(1)>" + "x".repeat(300);
        const columns = [{ title: "Name", cell: (row) => row }, { title: "What", cell: () => "y" }];
        put(kit.table({ caption: "Names", columns, rows: [hostile] }));
        const [name, what] = out.querySelectorAll("tbody th, tbody td");
        const below = what.getBoundingClientRect().top >= name.getBoundingClientRect().bottom;
        const none = kit.table({ caption: "Names", columns, rows: [], empty: "Nothing here" }).textContent;
        return [below, document.documentElement.scrollWidth, out.querySelectorAll("img").length, none];
        """
    )
    modules.resize(1280, 800)
    assert seen == [True, 360, 0, "Nothing here"]


def test_tabs_go_by_arrow_keys_and_make_their_contents_once(modules: Browser) -> None:
    seen = modules.run(
        SETUP
        + """
        let made = [];
        const content = (name) => (made.push(name), document.createTextNode(`of ${name}`));
        const tab = (name) => ({ name, label: name, content: () => content(name) });
        put(kit.tabs([tab("one"), tab("two")], "two"));
        const pressed = (key) => new KeyboardEvent("keydown", { key, bubbles: true });
        const press = (key) => document.activeElement.dispatchEvent(pressed(key));
        out.querySelector("[aria-selected=true]").focus();
        press("ArrowRight");
        press("ArrowLeft");
        press("ArrowRight");
        return [made, out.querySelector("[role=tabpanel]").textContent, document.activeElement.textContent];
        """
    )
    assert seen == [["two", "one"], "of one", "one"]


def test_a_page_is_busy_until_a_place_of_it_is_filled_first(modules: Browser) -> None:
    busy = modules.run(
        SETUP
        + """
        const app = { rpc: { state: "open" }, menuButton: () => "" };
        let done;
        class Shown extends kit.Page {
            load() { return new Promise((resolve) => (done = resolve)); }
        }
        const page = new Shown(app, "models");
        const seen = [page.element.ariaBusy];
        const step = async (work) => { work(); await settle(); seen.push(page.element.ariaBusy); };
        await step(() => page.update());
        await step(() => done());
        await step(() => page.refresh());
        await step(() => done());
        await step(() => { page.path = "other"; page.refresh(); });
        await step(() => done());
        return seen;
        """
    )
    assert busy == ["true", "true", None, None, None, "true", None]


def test_what_looks_as_before_stays_with_its_focus(modules: Browser) -> None:
    seen = modules.run(
        SETUP
        + """
        const draw = (...labels) => kit.renew(out, labels.map((label) => label && kit.h("button", null, label)));
        draw("Copy", "Edit");
        const [, edit] = out.children;
        edit.focus();
        draw("Copy", null, "Edit");
        const isThere = document.activeElement === edit;
        draw("Edit");
        return [isThere, edit.isConnected, out.textContent];
        """
    )
    assert seen == [True, False, "Edit"]


def test_of_two_questions_to_the_log_the_answer_to_the_later_is_shown_whenever_it_comes(modules: Browser) -> None:
    shown = modules.run(
        SETUP
        + """
        const { Activity } = await import("./views/activity.js");
        const answers = [];
        const audit = () => new Promise((done) => answers.push(done));
        const attempt = async (method) => method === "audit.list" ? audit() : { sessions: [] };
        const page = new Activity({ attempt, menuButton: () => "" }, "activity");
        page.path = "audit";
        put(page.element);
        await page.load();
        page.element.querySelector("select").dispatchEvent(new Event("change"));
        const entry = (kind) => ({ entries: [{ number: 1, entry: { at: 1, who: "local", kind } }] });
        for (const [at, kind] of [[1, "later"], [0, "earlier"]]) {
            answers[at](entry(kind));
            await settle();
        }
        return [...page.element.querySelectorAll("tbody code")].map(({ textContent }) => textContent);
        """
    )
    assert shown == ["later"]
