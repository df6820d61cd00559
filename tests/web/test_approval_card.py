"""views/approval.js by itself: when its buttons work, and what it says to whom is late."""

import pytest

from tests.web.browser import MISSING, Browser

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

_CARD = """
    const { ApprovalCard } = await import("/views/approval.js");
    window.answers = [];
    const answer = async (_, given) => (answers.push(given), "late");
    window.gateway = { mayAnswer: true, now: 1000, answer };
    window.card = new ApprovalCard(gateway);
    document.querySelector("main").replaceChildren(card.element);
    const asked = { id: "a1", tool: "shell", shown: "shell", digest: "d", rule: "rule", reason: "why" };
    card.draw({ ...asked, origins: given[0], at: 1000, expiresAt: 1030.5, given: null });
"""
_WORKS = "(card.tick(), card.element.querySelector('[data-name=once]').ariaDisabled === 'false')"


def test_buttons_do_nothing_at_first_and_whoever_is_late_is_told_so(modules: Browser) -> None:
    assert modules.run(_CARD + "card.element.querySelector('[data-name=once]').click(); return answers;", []) == []
    modules.until(_WORKS)
    modules.run("for (let time = 0; time < 3; time++) card.element.querySelector('[data-name=once]').click()")
    modules.find(".approval .note", "Somebody else was first")
    assert modules.run("return answers") == [{"verdict": "allow"}]
    assert modules.run(f"return {_WORKS}") is False


def test_when_the_time_is_over_nothing_can_be_answered(modules: Browser) -> None:
    modules.run(_CARD, [])
    modules.until(_WORKS)
    assert modules.run("return card.element.querySelector('.left').textContent") == "0:30"
    modules.run("gateway.now = 1031")
    assert modules.run(f"return {_WORKS}") is False
    modules.find(".approval.soon .left", "time is over")
    modules.run("card.element.querySelector('[data-name=once]').click()")
    assert modules.run("return answers") == []


def test_of_many_origins_all_can_be_seen(modules: Browser) -> None:
    modules.run(_CARD, [{"kind": "web", "name": f"https://example.com/\u202e{number}"} for number in range(40)])
    modules.find(".approval summary", "34 more").click()
    rest = modules.run("return document.querySelector('.approval details[open] .origins').textContent")
    assert (str(rest).count("example.com"), "https://example.com/\\u{202e}39" in str(rest)) == (34, True)
