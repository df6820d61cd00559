"""The page in a browser: how soon it is there, what it takes over the wire, and how it keeps up with long answers.

Beside it, where it is given by `OPENCLAW_URL`, the Control UI of a rival that was started by hand.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from bench.table import Row, at_most
from carapax.events import Kept, MessageReceived, ModelResponded, RunFinished, RunStarted, SessionStarted, ToolReturned
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, ToolResult
from carapax.testing.provider import Pause, Step
from tests.web.browser import MISSING, Browser, open_browser
from tests.web.served import Served, served

ROUNDS = 5
EVENTS = 5_000
TOKENS = 20_000
LONG = 200_000
TOKENS_PER_S = 2_000
BURST = 40
PIECES = (
    "The ",
    "quick ",
    "**brown** ",
    "fox ",
    "jumps ",
    "over\n",
    "`code` ",
    "and ",
    "[a](https://example.org) ",
    "so on.\n\n",
)
LIST = ("- one ", "more ", "thing ", "to ", "do\n")
CODE = ("    x = ", "f(1, ", '"two") ', "# three", "\n")


class _Breath(Pause):
    """What a network does between two packets."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def hold(self) -> None:
        await asyncio.sleep(self._seconds)


def rows() -> Iterator[Row]:
    if MISSING:
        raise SystemExit("chromium and chromedriver are not installed")
    with tempfile.TemporaryDirectory() as folder, open_browser(Path(folder) / "profile") as browser:
        browser.resize(1280, 800)
        browser.driver.set_script_timeout(600)
        browser.driver.execute_cdp_cmd("Network.enable", {})
        with served(Path(folder) / "home", ["fine"]) as gateway:
            yield from _cold(browser, gateway.url)
            yield from _long_session(browser, gateway)
        yield from _streams(browser, Path(folder))


def _cold(browser: Browser, url: str) -> Iterator[Row]:
    ours = [_open(browser, url) for _ in range(ROUNDS)]
    rival = os.environ.get("OPENCLAW_URL", "")
    theirs = [_open(browser, rival) for _ in range(ROUNDS)] if rival else []

    def beside(name: str) -> tuple[float | None, str]:
        return (statistics.median(one[name] for one in theirs), "OpenClaw's Control UI") if theirs else (None, "")

    for name, label, unit, limit in [
        ("paint", "page, cold: first contentful paint", "ms", 400.0),
        ("ready", "page, cold: a message can be typed", "ms", 700.0),
        ("kb", "page, cold: over the wire", "KB", 250.0),
    ]:
        value = statistics.median(one[name] for one in ours)
        other, whose = beside(name)
        yield Row(label, value, unit, f"at most {limit:g} {unit}", value <= limit, other, whose)


def _open(browser: Browser, url: str) -> dict[str, float]:
    """One start with nothing kept: milliseconds from the beginning of the navigation, and kilobytes received."""
    browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    browser.driver.get("about:blank")
    browser.driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    watch = """
        new MutationObserver(() => {
            const field = document.querySelector("textarea:not(:disabled), [contenteditable=true]");
            if (field?.checkVisibility()) window.readyAt ??= performance.now();
        }).observe(document, { subtree: true, childList: true, attributes: true });
    """
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
    browser.driver.get(url)
    browser.until("performance.getEntriesByName('first-contentful-paint').length && document.readyState === 'complete'")
    found = browser.run(
        """
        const until = Date.now() + 5000;
        while (!window.readyAt && Date.now() < until) await new Promise((done) => setTimeout(done, 20));
        await new Promise((done) => setTimeout(done, 300));
        const [navigation] = performance.getEntriesByType("navigation");
        const parts = [navigation, ...performance.getEntriesByType("resource")];
        return {
            paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
            ready: window.readyAt ?? Infinity,
            kb: parts.reduce((sum, each) => sum + each.transferSize, 0) / 1000,
        };
        """
    )
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    browser.driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    return cast(dict[str, float], found)


def _long_session(browser: Browser, gateway: Served) -> Iterator[Row]:
    gateway.run(_fill(gateway))
    browser.open(gateway.url)
    browser.find(".composer textarea")
    times = []
    for _ in range(ROUNDS):
        took = browser.run(
            """
            location.hash = "#/";
            await new Promise((done) => setTimeout(done, 300));
            const started = performance.now();
            location.hash = "#/s/long";
            const last = () => [...document.querySelectorAll(".answer .markdown")].at(-1)?.textContent ?? "";
            const shown = () => last().includes("the very end");
            while (!shown()) await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
            return performance.now() - started;
            """
        )
        times.append(cast(float, took))
        browser.driver.refresh()
        browser.find(".composer textarea")
    yield at_most(f"page: open a session of {EVENTS:,} events", statistics.median(times), "ms", 500)


async def _fill(gateway: Served) -> None:
    turns = (EVENTS - 1) // 6
    events: list[Kept] = [SessionStarted("main", "api", "long")]
    for turn in range(turns):
        last = " the very end" if turn == turns - 1 else ""
        call = ToolCall(f"c{turn}", "shell", json.dumps({"command": f"ls {turn}"}))
        events += [
            MessageReceived(f"m{turn}", Sender("owner", "", "owner"), f"Question {turn}", "api", "long"),
            RunStarted("main", "scripted/model", (f"m{turn}",)),
            ModelResponded(AssistantMessage((Text("I look."), call), "tool_calls", provider="s", model="m")),
            ToolReturned(ToolResult(call.id, "shell", "file.txt\n" * 20)),
            ModelResponded(
                AssistantMessage((Text(f"Answer **{turn}**\n\n- one\n- two{last}"),), provider="s", model="m")
            ),
            RunFinished("done"),
        ]
    journal = gateway.services.journal
    await journal.append("long", events[0])
    for at in range(1, len(events), 300):
        await journal.append("long", *events[at : at + 300], run="r")


def _streams(browser: Browser, folder: Path) -> Iterator[Row]:
    kinds = {"prose": PIECES, "one list": LIST, "one code block": ("```py\n", *CODE * 2_000)}
    for name, pieces in kinds.items():
        streamed = _stream(browser, folder / name.replace(" ", "-"), pieces, TOKENS, TOKENS_PER_S)
        what = f"page: {TOKENS:,} tokens of {name}"
        yield at_most(f"{what}: work of the main thread a frame", streamed.work_ms, "ms", 8)
        gap, idle = _percentile(streamed.gaps, 0.95), _percentile(streamed.idle, 0.95)
        aim = "60 a second, where an idle page has them"
        yield Row(f"{what}: 95 % of frame gaps", gap, "ms", aim, gap <= max(17.5, 1.5 * idle), idle, "idle page")
    grown = _stream(browser, folder / "memory", PIECES, LONG, 5 * TOKENS_PER_S).grown_mb
    # A model that writes 56 tokens a second writes as many in an hour.
    yield at_most(f"page: memory of the tab after {LONG:,} tokens in one answer", grown, "MB", 40)


class _Streamed(NamedTuple):
    """The gaps in ms between frames while an answer streamed and right before, what scripts, styles and layout took a
    frame of 1/60 s, and the memory that was not given back."""

    gaps: list[float]
    idle: list[float]
    work_ms: float
    grown_mb: float


def _stream(browser: Browser, folder: Path, pieces: tuple[str, ...], tokens: int, rate: int) -> _Streamed:
    pause = Pause()
    words = [pieces[index % len(pieces)] for index in range(tokens)]
    steps: list[Step] = [pause]
    for start in range(0, tokens, BURST):
        steps += ["".join(words[start : start + BURST]), _Breath(BURST / rate)]
    with served(folder, [tuple(steps)]) as gateway:
        browser.open(gateway.url)
        browser.find(".composer textarea")
        browser.type("go\n")
        gateway.run(pause.reached())
        before = _heap(browser)
        browser.run(
            """
            window.gaps = [];
            let last = performance.now();
            const tick = (now) => { gaps.push(now - last); last = now; window.ticking = requestAnimationFrame(tick); };
            window.ticking = requestAnimationFrame(tick);
            await new Promise((done) => setTimeout(done, 3000));
            window.idle = gaps.splice(0);
            """
        )
        work, started = _work(browser), time.monotonic()
        gateway.run(_release(pause))
        browser.until("document.querySelector('.answer:not(.live) .markdown')", within_s=300)
        frames = (time.monotonic() - started) * 60
        worked = _work(browser) - work
        found = browser.run("cancelAnimationFrame(window.ticking); return [gaps, idle.slice(2)]")
        gaps, idle = cast(list[list[float]], found)
        return _Streamed(gaps, idle, worked * 1000 / frames, _heap(browser) - before)


async def _release(pause: Pause) -> None:
    pause.release()


def _work(browser: Browser) -> float:
    """Seconds that scripts, styles and layout took so far."""
    browser.driver.execute_cdp_cmd("Performance.enable", {})
    found = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    metrics = {each["name"]: float(each["value"]) for each in found}
    return sum(metrics[name] for name in ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration"))


def _heap(browser: Browser) -> float:
    browser.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    used: dict[str, Any] = browser.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})
    return float(used["usedSize"]) / 1e6


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
