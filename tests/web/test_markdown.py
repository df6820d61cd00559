"""markdown.js: what a model writes, drawn safely."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.web.browser import MISSING, Browser

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

_RENDER = """
const { markdown } = await import("/markdown.js");
const out = document.querySelector("#out");
out.replaceChildren(...markdown(given[0]));
return out.innerHTML;
"""

EXAMPLES = {
    "a *b* **c** ***d***": "<p>a <em>b</em> <strong>c</strong> <strong><em>d</em></strong></p>",
    "~~e~~ `f`": "<p><del>e</del> <code>f</code></p>",
    "# One\n## Two": '<h2 class="md-h1">One</h2><h3 class="md-h2">Two</h3>',
    "- a\n- b\n  - c\n\ntext": "<ul><li><p>a</p></li><li><p>b</p><ul><li><p>c</p></li></ul></li></ul><p>text</p>",
    "3. a\n4. b": '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>',
    "1. a\n\n   more\n2. b": "<ol><li><p>a</p><p>more</p></li><li><p>b</p></li></ol>",
    "> a\n> > b": "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>",
    "a\nb": "<p>a<br>b</p>",
    "***": "<hr>",
    "snake_case_name and 2 * 3 * 4": "<p>snake_case_name and 2 * 3 * 4</p>",
    "a `b*c` **d": "<p>a <code>b*c</code> **d</p>",
    r"\*a\* \<b>": "<p>*a* &lt;b&gt;</p>",
    "``a`b``": "<p><code>a`b</code></p>",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_markdown_becomes_elements(modules: Browser, text: str) -> None:
    assert modules.run(_RENDER, text) == EXAMPLES[text]


def test_a_table_is_aligned_as_its_rule_says(modules: Browser) -> None:
    modules.run(_RENDER, "| a | b |\n| --- | ---: |\n| 1 | `x\\|y` |\n| only one |")
    table = modules.run("""
        const told = (cell) => [cell.textContent, cell.className];
        return [...document.querySelectorAll("#out tr")].map((row) => [...row.cells].map(told));
    """)
    assert table == [
        [["a", ""], ["b", "to-right"]],
        [["1", ""], ["x|y", "to-right"]],
        [["only one", ""], ["", "to-right"]],
    ]


def test_code_is_kept_as_it_is_and_can_be_copied(modules: Browser) -> None:
    code = "def f():\n    return '<b>'  # ```\n"
    modules.run(_RENDER, f"````python\n{code}\n````")
    assert modules.run("return document.querySelector('#out pre code').textContent") == code
    assert modules.run("return document.querySelector('#out .tint-keyword').textContent") == "def"
    assert modules.run("return document.querySelector('#out .copy').ariaLabel") == "Copy this code"


def test_links_lead_to_the_web_and_mailboxes_and_open_apart(modules: Browser) -> None:
    text = "[a](https://example.org/x(1)) <mailto:a@example.org> https://example.org/y. [b](http://example.org 'no')"
    modules.run(_RENDER, text)
    links = modules.run("return [...document.querySelectorAll('#out a')].map((a) => [a.href, a.target, a.rel])")
    assert links == [
        ["https://example.org/x(1)", "_blank", "noopener noreferrer"],
        ["mailto:a@example.org", "_blank", "noopener noreferrer"],
        ["https://example.org/y", "_blank", "noopener noreferrer"],
        ["http://example.org/", "_blank", "noopener noreferrer"],
    ]


HOSTILE = [
    "<script>document.title = 'pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "<svg/onload=document.title='pwned'><iframe srcdoc='<script>parent.document.title=1</script>'>",
    "[click](javascript:document.title='pwned')",
    "[click](\tjava\nscript:document.title='pwned')",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "<javascript:document.title='pwned'>",
    "[click](//example.org/x)",
    "![track](https://example.org/pixel.png)",
    "![x](https://example.org/\"onerror=\"document.title='pwned')",
    '[a](https://example.org/ "x" onclick="document.title=\'pwned\'")',
    "```<img src=x onerror=alert(1)>\n</code></pre><script>document.title='pwned'</script>\n```",
    "| <script>x</script> |\n| --- |\n| <b onclick=x>y</b> |",
    "<style>*{display:none}</style><link rel=stylesheet href=https://example.org/x.css>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e[evil](https://example.org)\u0000",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_stays_inert(modules: Browser, text: str) -> None:
    modules.run("document.title = 'safe'")
    modules.run(_RENDER, text)
    found = modules.run("""
        for (const link of document.querySelectorAll("#out a")) {
          link.addEventListener("click", (event) => event.preventDefault());
          link.click();
        }
        const elements = [...document.querySelectorAll("#out *")];
        const forbidden = "script, img, iframe, style, link, object, embed, form, base, meta";
        const names = elements.flatMap((each) => each.getAttributeNames());
        return {
          title: document.title,
          forbidden: elements.filter((each) => each.matches(forbidden)).length,
          handlers: names.filter((name) => name.startsWith("on") || name === "style"),
          schemes: [...document.querySelectorAll("#out a")].map((link) => link.protocol),
          violations: window.violations,
        };
    """)
    assert isinstance(found, dict)
    assert set(found.pop("schemes")) <= {"https:"}
    assert found == {"title": "safe", "forbidden": 0, "handlers": [], "violations": []}


HUGE = [(">", 20_000), ("- ", 20_000), ("*", 50_000), ("[", 50_000), ("`a", 20_000), ("**a ", 15_000), ("![](", 15_000)]


@pytest.mark.parametrize(
    "text", [*(piece * count for piece, count in HUGE), "|" * 30_000 + "\n|-|"], ids=lambda text: text[:4]
)
def test_huge_nesting_is_drawn_flat_and_in_linear_time(modules: Browser, text: str) -> None:
    modules.run(_RENDER, text)
    deepest = modules.run("""
        const depth = (element) => 1 + Math.max(0, ...[...element.children].slice(0, 50).map(depth));
        return depth(document.querySelector("#out"));
    """)
    assert isinstance(deepest, int)
    assert deepest < 100


_BLOCKS = ["# head\n", "- item\n", "- [x] ", "  - nested\n", "1. one\n", ". two\n", "> quote\n", "---\n", "\n", "\n\n"]
_CODE = ["```py\n", "code()\n", "```\n"]
_TABLE = ["| a | b |\n", "|---|---|\n", "| 1 | 2 |\n"]
_WORDS = ["para ", "*em* ", "2", "**bold", "**", "`", "[x](https://a.b)", "    ", "\\"]
_PIECES = st.sampled_from(_BLOCKS + _CODE + _TABLE + _WORDS)


_MARKS = ["*", "**", "_", "~~", "`", "``", "[", "![", "]", "(", ")", "<", ">", "\\", "!", "\n", " "]
_LINKS = [
    "https://a.b",
    "http",
    "mailto:a@b.c",
    "<br",
    " />",
    "/api/files/",
    "[one] ",
    "[two](https://c.d) ",
    ".",
    "x y ",
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(_PIECES, min_size=1, max_size=5).map("".join), min_size=1, max_size=12)
    | st.lists(st.sampled_from(_MARKS + _LINKS + ["words in between "]), min_size=1, max_size=40)
)
@example(["\0", "one"])
@example(["```\n\0", "one\n"])
def test_streamed_markdown_is_at_each_moment_as_if_it_had_come_at_once(modules: Browser, chunks: list[str]) -> None:
    difference = modules.run(
        """
        const { markdown, MarkdownStream } = await import("/markdown.js");
        const one = document.createElement("div");
        const stream = new MarkdownStream(one);
        let text = "";
        const halves = (chunk) => [chunk.slice(0, chunk.length / 2), chunk.slice(chunk.length / 2)];
        for (const chunk of given[0].flatMap(halves)) {
          stream.set((text += chunk));
          const [seen, other] = [one.cloneNode(true), document.createElement("div")];
          other.append(...markdown(text));
          for (const one of [seen, other]) {
            for (const put of one.querySelectorAll(".chunk")) put.replaceWith(...put.childNodes);
          }
          if (seen.innerHTML !== other.innerHTML) return [text, seen.innerHTML, other.innerHTML];
        }
        return null;
        """,
        chunks,
    )
    assert difference is None, (chunks, difference)


def test_what_is_settled_is_not_drawn_again(modules: Browser) -> None:
    kept = modules.run("""
        const { MarkdownStream } = await import("/markdown.js");
        const out = document.createElement("div");
        const stream = new MarkdownStream(out);
        stream.set("one\\n\\ntwo\\n\\n```js\\nlet a");
        const [chunk, code] = out.children;
        const [first] = chunk.children;
        stream.set("one\\n\\ntwo\\n\\n```js\\nlet a = 1;\\nlet b");
        return [chunk.children[0] === first, out.children[1] === code, code.querySelector("code").textContent];
    """)
    assert kept == [True, True, "let a = 1;\nlet b"]


GROWING = {
    "paragraph": ("", ""),
    "item": ("- ", ""),
    "item of paragraphs": ("1. one\n\n   ", "\n\n   "),
    "item of items": ("- one\n  - ", "\n  - "),
    "item of lines": ("- [ ] ", "\n  "),
    "quote": ("> ", ""),
    "quote of paragraphs": ("> ", "\n>\n> "),
    "quote of quotes of items": ("> > - ", "\n> > - "),
    "table": ("| a |\n|---|\n| ", " |\n| "),
    "cell": ("| a |\n|---|\n| ", ""),
}


@pytest.mark.parametrize("kind", GROWING)
def test_of_a_long_block_only_what_may_still_change_is_drawn_again(modules: Browser, kind: str) -> None:
    drawn = modules.run(
        """
        const { MarkdownStream } = await import("/markdown.js");
        const out = document.createElement("div");
        const stream = new MarkdownStream(out);
        const [start, next] = given;
        const piece = "plain **bold** `code` [1] [a](https://example.org) 2 * 3 " + next;
        let text = start + piece.repeat(500);
        stream.set(text);
        const fresh = [];
        for (let count = 0; count < 20; count += 1) {
          for (const each of out.querySelectorAll("*")) each.isKnown = true;
          stream.set((text += piece));
          fresh.push([...out.querySelectorAll("*")].filter((each) => !each.isKnown).length);
        }
        return [Math.max(...fresh) < 12 || fresh, out.querySelectorAll("a, code, strong").length];
        """,
        *GROWING[kind],
    )
    assert drawn == [True, 1560]


def test_only_images_that_the_gateway_keeps_are_shown(modules: Browser) -> None:
    shown = modules.run("""
        const { markdown } = await import("/markdown.js");
        const own = "api/files/" + "a".repeat(64);
        const other = ["https://example.org/a.png", `/${own}?x`, `//example.org/${own}`, "data:image/png;base64,AA"];
        const box = document.createElement("div");
        box.append(...markdown([own, "/" + own, ...other].map((url) => `![a picture](${url})`).join("\\n\\n")));
        return [...box.querySelectorAll("img")].map((each) => [each.getAttribute("src").slice(0, 12), each.alt]);
    """)
    assert shown == [["api/files/aa", "a picture"], ["/api/files/a", "a picture"]]


def test_a_long_list_goes_on_where_its_first_items_were_put_aside(modules: Browser) -> None:
    seen = modules.run("""
        const { MarkdownStream } = await import("/markdown.js");
        const out = document.createElement("div");
        const stream = new MarkdownStream(out);
        let text = "Steps:\\n\\n";
        for (let step = 1; step <= 200; step += 1) stream.set((text += `${step}. step **${step}**\\n   more\\n`));
        const numbers = [...out.querySelectorAll("ol")].flatMap((list) =>
            [...list.children].map((item, at) => `${list.start + at} ${item.textContent}`));
        const right = numbers.every((text, at) => text === `${at + 1} step ${at + 1}more`);
        return [numbers.length, right, out.lastElementChild.children.length < 60];
    """)
    assert seen == [200, True, True]


def test_code_that_grows_is_whole_and_only_its_end_is_touched(modules: Browser) -> None:
    seen = modules.run("""
        const { MarkdownStream } = await import("/markdown.js");
        const out = document.createElement("div");
        const stream = new MarkdownStream(out);
        let text = "```py\\n";
        for (let line = 1; line <= 1000; line += 1) stream.set((text += `print(${line})\\n`));
        const code = out.querySelector("code");
        const [first] = code.children;
        const whole = code.textContent;
        stream.set(text + "print(0)");
        return [text.slice(6).startsWith(whole.trimEnd()), code.children.length > 2, code.children[0] === first];
    """)
    assert seen == [True, True, True]


@pytest.mark.parametrize(
    ("language", "code", "tinted"),
    [
        ("sql", "SELECT 1 -- all", ["keyword SELECT", "number 1", "comment -- all"]),
        ("html", "<!-- c --><a href='x'>y</a>", ["comment <!-- c -->", "keyword <a", "string 'x'", "keyword </a"]),
        ("diff", "@@ 1 @@\n- old\n+ new\n same", ["comment @@ 1 @@", "removed - old", "string + new"]),
        ("ts", "const a = `b` // c", ["keyword const", "string `b`", "comment // c"]),
        ("json", '{"a": [1, true]}', ['string "a"', "number 1", "keyword true"]),
        ("bash", "echo '#' # all", ["keyword echo", "string '#'", "comment # all"]),
    ],
)
def test_code_is_tinted_by_its_language(modules: Browser, language: str, code: str, tinted: list[str]) -> None:
    found = modules.run(
        """
        const { tint } = await import("./tint.js");
        const spans = tint(given[0], given[1]).filter((node) => node.className);
        return spans.map((span) => `${span.className.replace("tint-", "")} ${span.textContent}`);
        """,
        code,
        language,
    )
    assert isinstance(found, list)
    assert [each for each in found if each != "keyword >"] == tinted
