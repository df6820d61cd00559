"""The readable text of a web page: title, headings, paragraphs, lists, tables, links.

No tree is built. The page is read once from front to back in linear time, however it is malformed: parsers that build
the tree of the HTML standard take half a minute for one megabyte of nested elements.
"""

import html
import re
from collections.abc import Mapping
from urllib.parse import urljoin

from carapax.invisible import strip

# Possessive where what was read is never read again: what could be needs a hundred bytes of memory for each letter.
_TOKEN = re.compile(
    r"""<!--[^-]*+(?:-(?!->)[^-]*+)*+(?:-->|\Z)
      | <[!?][^>]*(?:>|\Z)
      | <(?P<end>/?)(?P<tag>[a-zA-Z][^\s/>]*)(?P<attributes>(?:[^"'>]++|"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))*+)(?:>|\Z)
      | (?P<text>[^<]+|<)""",
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""(?<![^\s=>"'/])([^\s=>"'/]++)\s*+=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,};?")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([a-zA-Z0-9_-]{1,40})""", re.IGNORECASE)
_KNOWN_CHARSET = re.compile(
    r"utf-?8|us-ascii|(iso-?8859|latin|windows|cp)-?\d{1,4}(-\d{1,2})?|koi8-[ru]|shift[_-]jis|euc-(jp|kr)|iso-2022-jp"
    r"|gb2312|gbk|gb18030|big5|utf-16(le|be)?"
)
_RAW = frozenset({"script", "style", "textarea", "title", "xmp", "noscript", "iframe", "noframes"})
_LEFT_OUT = frozenset({"svg", "template", "nav", "select", "object", "canvas", "audio", "video", "math", "dialog"})
_APART = {
    **dict.fromkeys(("p", "blockquote", "table", "ul", "ol", "dl", "pre", "main", "article", "figure"), 2),
    **dict.fromkeys(("div", "section", "header", "footer", "aside", "form", "fieldset", "address", "details"), 1),
    **dict.fromkeys(("summary", "tr", "dt", "dd", "li", "br", "caption", "figcaption", "body", "label", "thead"), 1),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MAIN_AT_LEAST = 200
_MAX_DEPTH = 20


def readable(data: bytes, charset: str = "", url: str = "", max_chars: int = 100_000) -> tuple[str, str]:
    """Title and text of a page, of which at most about `max_chars` are made. Links are completed with `url`.

    Of a page that marks its main part, only that is given.
    """
    page = _Page(decoded(data, charset), url, max_chars)
    page.read()
    return page.title, page.text()


def decoded(data: bytes, charset: str = "") -> str:
    """Bytes as text, in the given encoding or that which they name themselves, else UTF-8."""
    found = _CHARSET.search(data[:2048])
    name = (charset or (found[1].decode() if found else "")).strip("\"' ").lower()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        name = "utf-16"
    if not _KNOWN_CHARSET.fullmatch(name):
        name = "utf-8"
    try:
        text = data.decode(name, errors="replace")
    except LookupError:
        text = data.decode(errors="replace")
    return text.removeprefix("\ufeff")


class _Page:
    def __init__(self, source: str, url: str, max_chars: int) -> None:
        self.title = ""
        self._source = source
        self._lower = source.lower() if source.isascii() else source.translate(_ASCII_LOWER)
        self._url = url
        self._max = max_chars
        self._last_end: dict[str, int] = {}
        self._written: list[str] = []
        self._size = 0
        self._apart = 0
        self._space = False
        self._preformatted = 0
        self._lists: list[int] = []
        self._links: list[tuple[str, int]] = []
        self._cells = 0
        self._main: list[tuple[int, int]] = []
        self._main_began = -1

    def read(self) -> None:
        at = 0
        while at < len(self._source) and self._size < self._max:
            token = _TOKEN.match(self._source, at)
            assert token is not None, "every character begins a token"
            at = token.end()
            tag = (token["tag"] or "").lower()
            if token["text"] is not None:
                self._say(_unescaped(token["text"]))
            elif tag and token["end"]:
                self._end(tag)
            elif tag in _RAW:
                at = self._raw(tag, at)
            elif tag in _LEFT_OUT:
                at = self._left_out(tag, at)
            elif tag:
                self._begin(tag, _attributes(token["attributes"]))

    def text(self) -> str:
        if self._main_began >= 0:
            self._main.append((self._main_began, len(self._written)))
        main = "".join("".join(self._written[start:end]) + "\n\n" for start, end in self._main).strip()
        return main if len(main) >= _MAIN_AT_LEAST else "".join(self._written).strip()

    def _raw(self, tag: str, at: int) -> int:
        """Pass what is no markup, up to the end tag or, as in browsers, the end of the page."""
        end = self._lower.find("</" + tag, at)
        end = len(self._source) if end < 0 else end
        if tag == "title" and not self.title:
            self.title = " ".join(strip(_unescaped(self._source[at:end])).split())[:500]
        return end

    def _left_out(self, tag: str, at: int) -> int:
        """Pass what nobody reads, if it ends at all."""
        if tag not in self._last_end:
            self._last_end[tag] = self._lower.rfind("</" + tag)
        return self._lower.find("</" + tag, at) if self._last_end[tag] >= at else at

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._separate(_APART.get(tag, 0))
        if level := _HEADINGS.get(tag):
            self._separate(2)
            self._mark("#" * level + " ")
        elif tag in ("ul", "ol"):
            self._lists = [*self._lists, 0 if tag == "ul" else 1][-_MAX_DEPTH:]
        elif tag == "li":
            self._item()
        elif tag == "tr":
            self._cells = 0
        elif tag in ("td", "th"):
            self._cells += 1
            if self._cells > 1:
                self._mark(" | ")
        elif tag == "hr":
            self._separate(2)
            self._mark("---")
            self._separate(2)
        elif tag == "pre":
            self._mark("```\n")
            self._preformatted = 1
        elif tag == "a" and attributes.get("href"):
            self._links = [*self._links, (attributes["href"], self._size)][-_MAX_DEPTH:]
        elif tag == "img" and attributes.get("alt", "").strip():
            self._say(f"[image: {strip(attributes['alt']).strip()[:300]}]")
        elif tag in ("main", "article") and self._main_began < 0:
            self._main_began = len(self._written)

    def _end(self, tag: str) -> None:
        if tag == "pre" and self._preformatted:
            self._preformatted = 0
            self._apart = 0 if self._written and self._written[-1].endswith("\n") else 1
            self._mark("```")
        elif tag == "a" and self._links:
            self._link(*self._links.pop())
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag in ("main", "article") and self._main_began >= 0:
            self._main.append((self._main_began, len(self._written)))
            self._main_began = -1
        self._separate(2 if tag in _HEADINGS else _APART.get(tag, 0))

    def _item(self) -> None:
        mark = "- "
        if self._lists and self._lists[-1]:
            mark = f"{self._lists[-1]}. "
            self._lists[-1] += 1
        self._mark("  " * (len(self._lists) - 1) + mark)

    def _link(self, href: str, began: int) -> None:
        if self._size == began:
            return
        try:
            target = urljoin(self._url, href.strip())
        except ValueError:
            return
        if target.startswith(("http://", "https://")) and len(target) <= 500 and target.split("#")[0] != self._url:
            self._write(f" ({target})")

    def _say(self, text: str) -> None:
        if self._preformatted:
            self._mark(text)
            return
        words = text.split()
        if words:
            if (self._space or text[0].isspace()) and self._written and not self._apart:
                self._write("" if self._written[-1].endswith((" ", "\n")) else " ")
            self._mark(" ".join(words))
        self._space = (self._space and not words) or text[-1:].isspace()

    def _separate(self, lines: int) -> None:
        """At least so many line ends before what comes next."""
        if lines and self._preformatted:
            self._write("\n")
        elif lines:
            self._apart = max(self._apart, lines)
            self._space = False

    def _mark(self, text: str) -> None:
        if self._apart and self._written:
            self._write("\n" * self._apart)
        self._apart = 0
        self._write(text)

    def _write(self, text: str) -> None:
        if text:
            self._written.append(text)
            self._size += len(text)


_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _attributes(text: str) -> dict[str, str]:
    found = _ATTRIBUTE.findall(text[:10_000]) if "=" in text else []
    return {name.lower(): _unescaped(double or single or bare) for name, double, single, bare in reversed(found)}


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    return html.unescape(_LONG_REFERENCE.sub("�", text)).replace("\0", "�")
