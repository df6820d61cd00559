"""feed.js and outbox.js: whatever the connection does, each event is shown once and each message sent once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapax.events import Kept
from tests.web.browser import MISSING, Browser
from tests.web.test_fold import TURN, journal

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

_GATEWAY = """
/** A gateway in a few lines: keeps what happens, pushes to who is subscribed, and forgets that when the line drops. */
class Gateway extends EventTarget {
  state = "open";
  kept = [];
  calls = [];
  watching = false;
  lose = 0;

  async call(method, params) {
    if (this.state !== "open") throw new Offline();
    this.calls.push([method, params]);
    const answer = this[method.split(".")[1]]?.(params);
    const line = this.line;
    await new Promise((done) => setTimeout(done));
    if (this.line !== line || this.lose-- > 0) throw new Offline();
    return answer;
  }

  events({ after, limit }) {
    return { events: this.kept.slice(after, after + limit) };
  }

  subscribe({ after }) {
    this.watching = true;
    for (const envelope of this.kept.slice(after)) this.push(envelope);
  }

  message({ session = "made" }) {
    return { session };
  }

  push(envelope) {
    this.dispatchEvent(new CustomEvent("event", { detail: envelope }));
  }

  happen(envelope, isKept) {
    if (isKept) this.kept.push(envelope);
    if (this.watching) this.push(envelope);
  }

  become(state) {
    if (this.state === state) return;
    this.state = state;
    if (state !== "open") [this.watching, this.line] = [false, {}];
    this.dispatchEvent(new Event("state"));
  }
}
const { Offline } = await import("/rpc.js");
const settle = async () => { for (let turn = 0; turn < 12; turn += 1) await new Promise((done) => setTimeout(done)); };
"""


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["drop", "up", "wait", "twice", "unseen", *["happen"] * 4]), max_size=40))
def test_a_feed_has_each_event_once_and_in_order_however_often_the_line_drops(
    modules: Browser, steps: list[str]
) -> None:
    envelopes = [(envelope, isinstance(event, Kept)) for envelope, event in zip(journal(*TURN), TURN, strict=True)]
    shown = modules.run(
        _GATEWAY
        + """
        const { Feed } = await import("/feed.js");
        const gateway = new Gateway();
        const feed = new Feed(gateway, "s1");
        const [steps, envelopes] = given;
        const next = () => { if (envelopes.length) gateway.happen(...envelopes.shift()); };
        const unseen = () => {
          const { push } = gateway;
          gateway.push = () => {};
          next();
          gateway.push = push;
        };
        feed.open();
        for (const step of steps) {
          if (step === "happen") next();
          else if (step === "twice") gateway.kept.slice(-1).forEach((envelope) => gateway.push(envelope));
          else if (step === "unseen") unseen();
          else if (step === "wait") await new Promise((done) => setTimeout(done));
          else gateway.become(step === "up" ? "open" : "connecting");
        }
        gateway.become("open");
        await settle();
        while (envelopes.length > 1) next();
        await settle();
        next();
        await settle();
        return [feed.events.map(({ seq }) => seq), feed.view.run, feed.view.items.length];
        """,
        steps,
        envelopes,
    )
    assert shown == [[*range(1, 9)], None, 3]


def test_a_long_session_is_fetched_in_pages(modules: Browser) -> None:
    calls = modules.run(
        _GATEWAY
        + """
        const { Feed } = await import("/feed.js");
        const gateway = new Gateway();
        const event = { kind: "state_changed", key: "k", value: 1 };
        for (let seq = 1; seq <= 1234; seq += 1) gateway.happen({ seq, session: "s1", at: 1, event }, true);
        const feed = new Feed(gateway, "s1");
        await feed.open();
        return [feed.events.length, ...gateway.calls.map(([method, { after }]) => `${method} ${after}`)];
        """
    )
    pages = ["session.events 0", "session.events 500", "session.events 1000"]
    assert calls == [1234, *pages, "session.subscribe 1234"]


def test_a_message_whose_answer_got_lost_is_sent_again_with_the_same_key(modules: Browser) -> None:
    sent = modules.run(
        _GATEWAY
        + """
        const { Outbox } = await import("/outbox.js");
        localStorage.clear();
        const gateway = new Gateway();
        const outbox = new Outbox(gateway, () => {});
        gateway.lose = 1;
        outbox.add({ session: "s1", text: "first" });
        outbox.add({ session: "s1", text: "second" });
        await settle();
        gateway.become("connecting");
        gateway.become("open");
        await settle();
        const keys = [...new Set(gateway.calls.map(([, { dedupe_key }]) => dedupe_key))];
        const calls = gateway.calls.map(([, { text, dedupe_key }]) => `${text} ${keys.indexOf(dedupe_key)}`);
        return [...calls, Object.keys(localStorage).length];
        """
    )
    assert sent == ["first 0", "first 0", "second 1", 0]


def test_a_new_session_is_not_made_twice_when_the_answer_got_lost(modules: Browser) -> None:
    calls = modules.run(
        _GATEWAY
        + """
        const { Outbox } = await import("/outbox.js");
        localStorage.clear();
        const gateway = new Gateway();
        const outbox = new Outbox(gateway, () => {});
        gateway.lose = 1;
        outbox.add({ conversation: "c1", agent: "main", text: "first" });
        await settle();
        outbox.add({ conversation: "c1", agent: "main", text: "second" });
        await settle();
        return gateway.calls.map(([method, { conversation, session }]) => [method, conversation ?? session]);
        """
    )
    assert calls == [["session.create", "c1"], ["session.message", "c1"], ["session.message", "made"]]


def test_a_refused_message_stays_with_its_reason_and_the_next_goes_on(modules: Browser) -> None:
    entries = modules.run(
        _GATEWAY
        + """
        const { Outbox } = await import("/outbox.js");
        const { RpcError } = await import("/rpc.js");
        localStorage.clear();
        const gateway = new Gateway();
        gateway.message = ({ text }) => {
          if (text === "bad") throw new RpcError({ code: -32602, message: "too long", data: { hint: "say less" } });
        };
        const outbox = new Outbox(gateway, () => {});
        outbox.add({ session: "s1", text: "bad" });
        outbox.add({ session: "s1", text: "good" });
        await settle();
        return outbox.entries.map(({ text, error }) => [text, error]);
        """
    )
    assert entries == [["bad", "too long (say less)"]]


def test_nonsense_that_was_kept_holds_up_no_message(modules: Browser) -> None:
    sent = modules.run(
        _GATEWAY
        + """
        const { Outbox } = await import("/outbox.js");
        localStorage.clear();
        const whole = { key: "a", session: "s1", text: "kept", at: "late", error: null, attachments: [null, 7, {}] };
        const entries = { a: whole, b: { ...whole, key: "x" }, c: [], d: null, e: { ...whole, key: "e", text: 5 } };
        for (const [name, entry] of Object.entries(entries)) {
          localStorage.setItem(`carapax.outbox.${name}`, JSON.stringify(entry));
        }
        localStorage.setItem("carapax.outbox.f", "{");
        const gateway = new Gateway();
        const outbox = new Outbox(gateway, () => {});
        outbox.add({ session: "s1", text: "new" });
        await settle();
        localStorage.clear();
        return gateway.calls.map(([, { text, attachments }]) => [text, attachments]);
        """
    )
    assert sent == [["kept", []], ["new", []]]


def test_a_line_that_was_given_up_for_another_one_does_not_end_that(modules: Browser) -> None:
    states = modules.run("""
        const { Connection } = await import("/rpc.js");
        const sockets = [];
        let told;
        const asked = new Promise((done) => (told = () => done({ json: async () => ({ signed_in: true }) })));
        const { WebSocket: real, fetch: really } = window;
        window.fetch = () => asked;
        window.WebSocket = class extends EventTarget {
          constructor() { super(); sockets.push(this); }
          close() {}
        };
        const states = [];
        try {
          const rpc = new Connection();
          rpc.addEventListener("state", () => states.push(rpc.state));
          rpc.connect();
          rpc.restart();
          const [old, made] = sockets;
          old.dispatchEvent(new Event("open"));
          states.push(`old: ${rpc.state}`);
          made.dispatchEvent(new Event("open"));
          told();
          await new Promise((done) => setTimeout(done));
          return [...states, rpc.state];
        } finally {
          Object.assign(window, { WebSocket: real, fetch: really });
        }
    """)
    assert states == ["old: connecting", "open", "open"]
