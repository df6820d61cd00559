"""Web pages as readable text."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.webpage import decoded, readable

PAGE = b"""<!DOCTYPE html><html><head><meta charset="utf-8"><title> Of &amp;
 bees </title><style>p { color: red }</style><script>if (a < b) document.write("<p>no</p>")</script></head>
<body><nav><a href="/">Home</a></nav><!-- <p>no</p> -->
<h1>Bees</h1><p>They <b>fly</b>&nbsp;far, and<em> make</em>
honey.<br>See <a href="/wiki?a=1&amp;b=2">the wiki</a>, <a href="#top">top</a>, <a href="javascript:x()">x</a>.</p>
<ul><li>one<li>two <ol><li>a</li><li>b</li></ol></li></ul>
<table><thead><tr><th>Year<th>Honey</tr></thead><tr><td>2020</td><td>5 kg</td></tr></table>
<pre>def f():
    return 1 &lt; 2
</pre><img src=x alt="A bee"><hr><svg><text>no</text></svg><p>End</body></html>"""

TEXT = """# Bees

They fly far, and make honey.
See the wiki (https://e.org/wiki?a=1&b=2), top, x.

- one
- two

  1. a
  2. b

Year | Honey
2020 | 5 kg

```
def f():
    return 1 < 2
```

[image: A bee]

---

End"""


def test_a_page_is_told_with_its_structure() -> None:
    assert readable(PAGE, url="https://e.org/bees") == ("Of & bees", TEXT)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (b"a<b", "a"),
        (b"1 < 2 <3", "1 < 2 <3"),
        (b"a<p title='>'>b", "a\n\nb"),
        (b"<p>a</P><P>b", "a\n\nb"),
        (b"a<script>x", "a"),
        (b"a<SCRIPT>x</sCript>b", "ab"),
        (b"a<!-- x", "a"),
        (b"a<nav>b", "ab"),
        (b"a<nav>x</nav>b", "ab"),
        (b"</ul></li></a></pre>a", "a"),
        (b"<a href='http://[x'>a</a>", "a"),
        (b"<a href=b.html>a</a> c", "a (https://e.org/b.html) c"),
        (b"<a href=/><img></a>b", "b"),
        (b"&#65;&#x42;&eacute;&#99999999999;&#0;&bogus;", "AB\u00e9\ufffd\ufffd&bogus;"),
        (b"a\0b", "a\0b"),
    ],
)
def test_malformed_pages_are_read_too(page: bytes, text: str) -> None:
    assert readable(page, url="https://e.org/") == ("", text)


def test_only_the_main_part_is_told_where_it_is_marked() -> None:
    words = "word " * 60
    assert readable(f"<p>Menu<main><p>{words}</main><p>Foot".encode())[1] == words.strip()
    assert readable(f"<p>Menu<article>{words}</article>x<article>{words}".encode())[1].count("word") == 120
    assert readable(b"<p>Menu<main>short</main><p>Foot")[1] == "Menu\n\nshort\n\nFoot"


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("grün".encode(), "", "grün"),
        ("grün".encode("latin-1"), "iso-8859-1", "grün"),
        (b'<meta charset="windows-1251">' + "мёд".encode("cp1251"), "", '<meta charset="windows-1251">мёд'),
        ("蜂".encode("shift_jis"), "Shift_JIS", "蜂"),
        ("蜂".encode("utf-16"), "", "蜂"),
        (b"\xef\xbb\xbfa", "utf-8", "a"),
        (b"\xff", "", "\ufffd"),
        (b"xn--a", "punycode", "xn--a"),
        (b"a", "no-such-charset", "a"),
        (b"a", "cp9999", "a"),
    ],
)
def test_the_characters_are_those_of_the_page(data: bytes, charset: str, text: str) -> None:
    assert decoded(data, charset) == text


HOSTILE = {
    "nested elements": "<div>" * 100_000,
    "ends of nothing": "<" * 500_000,
    "unfinished tags": "<a " * 200_000,
    "unfinished quotes": "<a \"'" * 100_000,
    "unfinished comments": "<!--" * 125_000,
    "unfinished menus": "<nav>" * 100_000,
    "unfinished scripts": "<script>" * 60_000,
    "nested lists": "<ul><li>x" * 50_000,
    "links to a long address": "<a href=x>y</a>" * 33_000,
    "a long number": "&#" + "9" * 500_000,
    "ampersands": "&" * 500_000,
    "attributes": "<p " + "a=b " * 120_000 + ">",
    "equal signs": "<p " + "=" * 500_000,
    "spaces": " " * 500_000,
}


@pytest.mark.parametrize("page", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_page_makes_no_more_text_than_asked_for(page: str) -> None:
    _, text = readable(page.encode(), url="https://e.org/" + "x" * 400, max_chars=10_000)
    assert len(text) <= 500_000


class Words(HTMLParser):
    """The text of a page, as the standard library sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["<p>", "</p>", "<b>", "a", " ", "&lt;", "<br>", "<td>", "<!-- x -->", "<li>", "\n"])))
def test_the_words_are_those_a_parser_finds(pieces: list[str]) -> None:
    source = "".join(pieces)
    parser = Words()
    parser.feed(source)
    parser.close()
    plain = "".join(parser.found)
    told = readable(source.encode())[1].replace("- ", "").replace(" | ", "")
    assert "".join(told.split()).replace("|", "").replace("-", "") == "".join(plain.split())


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text("<>&;/\"'=- !abp#ul", max_size=80).map(str.encode))
def test_anything_is_read(data: bytes) -> None:
    readable(data, url="https://e.org/")
