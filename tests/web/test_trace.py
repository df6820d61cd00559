"""trace.js and live.js: events to waterfalls, and to a list that stays bounded."""

import msgspec
import pytest

from carapax.events import (
    ApprovalAsked,
    ApprovalGiven,
    Envelope,
    Event,
    HistoryCompacted,
    MessageReceived,
    ModelResponded,
    RunFinished,
    RunStarted,
    SessionStarted,
    Steered,
    ToolCalled,
    ToolReturned,
)
from carapax.messages import AssistantMessage, Sender, Text, ToolCall, ToolResult, Usage
from tests.web.browser import MISSING, Browser

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

CALL = ToolCall("c1", "shell", "{}")
ANSWER = AssistantMessage((Text("Done."),), usage=Usage(10, 5), provider="demo", model="m")
ASKED = ApprovalAsked("a1", "c1", "shell", "ls", "d", "n", "rule", "why", 99.0)
_TRACES = """
const { traces } = await import("/trace.js");
return traces(given[0]).map((run) => ({
  run: [run.id, run.from, run.to, run.reason, run.input, run.output],
  spans: run.spans.map(({ kind, name, from, to, bad }) => [kind, name, from, to, bad]),
}));
"""


def traced(modules: Browser, *happened: tuple[float, Event]) -> object:
    envelopes = [Envelope(seq, "s", at, event, "r1") for seq, (at, event) in enumerate(happened, 1)]
    return modules.run(_TRACES, msgspec.to_builtins(envelopes))


def test_a_run_is_what_it_waited_for_in_the_order_it_happened(modules: Browser) -> None:
    found = traced(
        modules,
        (1, SessionStarted("main", "api", "c")),
        (2, MessageReceived("m1", Sender("local"), "Do it", "api", "c")),
        (5, RunStarted("main", "demo/m", ("m1",))),
        (7, ModelResponded(ANSWER)),
        (7, ASKED),
        (17, ApprovalGiven("a1", "allow", "owner")),
        (17, ToolCalled(CALL)),
        (18, MessageReceived("m2", Sender("local"), "Faster", "api", "c")),
        (20, ToolReturned(ToolResult("c1", "shell", "no", True), 3)),
        (20, Steered(("m2",))),
        (21, HistoryCompacted(3, (), "short")),
        (24, ModelResponded(ANSWER)),
        (24, RunFinished("done")),
    )
    assert found == [
        {
            "run": ["r1", 5, 24, "done", 20, 10],
            "spans": [
                ["queue", "Do it", 2, 5, False],
                ["model", "demo/m", 5, 7, False],
                ["approval", "shell", 7, 17, False],
                ["tool", "shell", 17, 20, True],
                ["queue", "Faster", 18, 20, False],
                ["compaction", "", 20, 21, False],
                ["model", "demo/m", 21, 24, False],
            ],
        }
    ]


def test_what_a_crash_cut_short_ends_where_the_run_went_on(modules: Browser) -> None:
    found = traced(
        modules,
        (1, RunStarted("main", "demo/m", ("lost",))),
        (2, ToolCalled(CALL)),
        (9, RunStarted("main", "demo/m", (), "r1", 2)),
        (10, ToolCalled(CALL)),
    )
    assert found == [
        {"run": ["r1", 1, 9, "interrupted", 0, 0], "spans": [["tool", "shell", 2, 9, True]]},
        {"run": ["r1", 9, None, "", 0, 0], "spans": [["tool", "shell", 10, None, False]]},
    ]


def test_however_much_happens_the_live_list_is_drawn_once_a_frame_and_stays_bounded(modules: Browser) -> None:
    shown = modules.run("""
        const { Live } = await import("/views/live.js");
        const rpc = Object.assign(new EventTarget(), { call: async () => null });
        const sessions = { find: () => null };
        const live = new Live({ rpc, sessions, agents: [], attempt: async () => null }, []);
        document.body.append(live.element);
        let changes = 0;
        new MutationObserver(() => (changes += 1)).observe(live.list, { childList: true });
        const frame = () => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
        const happen = (kind, event, session) => {
            const detail = { seq: 1, session, at: 1, run: "r", event: { kind, ...event } };
            rpc.dispatchEvent(new CustomEvent("event", { detail }));
        };
        const found = [];
        for (let n = 0; n < 5000; n += 1) happen("message_sent", { key: `k${n}` }, `s${n}`);
        await frame();
        found.push([live.list.children.length, changes, live.list.firstChild.querySelector(".about").textContent]);
        for (let n = 0; n < 1000; n += 1) happen("text_delta", { text: "x" }, "s");
        await frame();
        found.push([live.list.children.length, live.list.firstChild.textContent.match(/x+/)[0].length]);
        live.pause.click();
        happen("message_sent", { key: "held" }, "s");
        await frame();
        found.push([live.list.textContent.includes("held"), live.count.textContent]);
        live.pause.click();
        await frame();
        found.push([live.list.textContent.includes("held"), live.count.textContent]);
        happen("state_changed", { key: "title", value: "Tea" }, "new");
        await frame();
        found.push(live.list.querySelector("a").textContent);
        live.close();
        return found;
    """)
    assert shown == [[300, 1, "k4999"], [300, 160], [False, "Held back: 1"], [True, ""], "Tea"]
