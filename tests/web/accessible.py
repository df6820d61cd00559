"""What keeps people from using what is shown: found by axe-core, and by pressing Tab."""

from functools import cache
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from tests.web.browser import Browser

_AXE = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN = """
    const { violations } = await axe.run(document, { runOnly: given[0], resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
        `${id}: ${target.join(" ")}: ${failureSummary.replace(/\\s+/g, " ")}`));
"""
# What a person can press or write into, and can see. Of a group that arrow keys move in, one takes part in Tab's order.
_CONTROLS = """
    const css = "a[href],button,input, select, textarea, summary,[role=button],[role=tab],[role=option],[onclick]";
    const grouped = "[role=tablist], [role=listbox], [role=toolbar], [role=menu], [role=radiogroup], [role=grid]";
    window.controls = [...document.querySelectorAll(css)].filter((each) => {
        if (each.disabled || each.type === "hidden" || each.closest("[inert], dialog:not([open])")) return false;
        if (document.querySelector("dialog:modal") && !each.closest("dialog:modal")) return false;
        if (each.type === "radio" && !each.checked) return false;
        if (each.tabIndex < 0 && each.closest(grouped)) return false;
        const seen = each.checkVisibility({ opacityProperty: true, visibilityProperty: true });
        return seen && each.getClientRects().length;
    });
    const ring = (each) => {
        const { outlineStyle, boxShadow } = getComputedStyle(each);
        return outlineStyle !== "none" || boxShadow !== "none";
    };
    const note = () => {
        const here = document.activeElement;
        const isShown = here === document.body || ring(here) || ring(here.parentElement);
        if (!isShown) unseen.add(here.outerHTML.slice(0, 160));
        if (here === document.body) return;
        window.isRound ||= reached.has(here) && here !== last; // some have more than one stop
        reached.add(here);
        window.last = here;
    };
    if (!window.reached) addEventListener("keyup", note, true);
    Object.assign(window, { reached: new Set(), unseen: new Set(), isRound: false, last: null });
    document.activeElement?.blur();
    return controls.length;
"""
_MISSED = "controls.filter((each) => !reached.has(each) && each.isConnected)"
_PROBLEMS = f"""
    const told = {_MISSED}.map((each) => `not reached: ${{each.outerHTML.slice(0, 160)}}`);
    return [...[...unseen].map((each) => `no focus ring: ${{each}}`), ...told];
"""


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8")


def violations(browser: Browser) -> list[str]:
    """What axe-core objects to in the page as it is now: rule, element and reason of each."""
    finite = "each.effect.getTiming().iterations < Infinity"
    browser.run(f"for (const each of document.getAnimations()) if ({finite}) each.finish()")
    if not browser.run("return 'axe' in window"):
        browser.driver.execute_script(_axe())
    found = browser.run(_RUN, _RULES)
    assert isinstance(found, list)
    return found


def unreachable(browser: Browser) -> list[str]:
    """What Tab does not come to, or comes to without showing it, of all that can be pressed or written into."""
    count = browser.run(_CONTROLS)
    assert isinstance(count, int)
    pressed, times = 0, count + 3
    while pressed < count * 2 + 20:
        browser.type(Keys.TAB * times)
        if browser.run(f"return isRound && {_MISSED}.length === 0"):
            break
        pressed, times = pressed + times, 5
    problems = browser.run(_PROBLEMS)
    assert isinstance(problems, list)
    return problems


def overflowing(browser: Browser) -> list[str]:
    """What makes the page wider than the window."""
    found = browser.run("""
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= width) return [];
        return [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > width + 1)
            .map((each) => each.outerHTML.slice(0, 120));
    """)
    assert isinstance(found, list)
    return found
