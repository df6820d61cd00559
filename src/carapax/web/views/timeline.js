// Every event of a session, and the conversation as it was at any of them.

import { fold } from "../fold.js";
import { button, callSummary, formatElapsed, formatExact, h, iconButton, oneLine, onFrame, renew, t } from "../kit.js";
import { Conversation } from "./conversation.js";
import { replay } from "./modelchoice.js";
import { forkSession } from "./sessions.js";

const WINDOW = 160;
const PAST_ITEMS = 30;

export class Timeline {
  #rows = new Map();
  #shown = 0;

  constructor(app, feed) {
    this.app = app;
    this.feed = feed;
    this.seq = 0;
    const oninput = () => this.#select(Number(this.slider.value));
    const onchange = () => this.#remember();
    this.slider = h("input", { type: "range", min: 1, "aria-label": t("events"), oninput, onchange });
    this.place = h("output", { class: "place" });
    const fork = () => forkSession(app, { session: feed.session, at: this.seq });
    this.fork = button(t("fork-here"), fork, { tone: "primary", icon: "fork" });
    this.replay = iconButton("model", t("replay"), () => replay(app, feed.session, this.#message), { hidden: true });
    const quiet = (label, onclick) => h("button", { type: "button", class: "quiet", onclick }, t(label));
    this.earlier = quiet("earlier-events", () => this.#select(this.first));
    this.later = quiet("later-events", () => this.#select(this.first + WINDOW - 1));
    this.list = h("ol", { class: "events", "aria-label": t("events"), onkeydown: (event) => this.#arrows(event) });
    this.caption = h("p", { class: "caption" });
    this.before = h("div", { class: "before", tabindex: 0, role: "region", "aria-label": t("view-chat") });
    const step = (label, by) => iconButton("chevron", t(label), () => this.#step(by), { class: by < 0 ? "back" : "" });
    const [back, on] = [step("previous-event", -1), step("next-event", 1)];
    const travel = h("div", { class: "travel" }, back, this.slider, on, this.place, this.replay, this.fork);
    const list = h("div", { class: "pane list" }, this.earlier, this.list, this.later);
    const past = h("div", { class: "pane" }, this.caption, this.before);
    this.element = h("div", { class: "timeline" }, travel, h("div", { class: "panes" }, list, past));
    this.draw = onFrame(() => this.#draw());
  }

  /** Go to an event; without one, to the last, and stay there as more happen. */
  go(seq) {
    this.pinned = Boolean(seq);
    if (seq) this.seq = seq;
    this.draw();
  }

  update() { this.draw(); }

  #draw() {
    const { events } = this.feed;
    const last = events.length;
    if (!last) return;
    if (!this.pinned) this.seq = last;
    this.seq = Math.min(Math.max(1, this.seq), last);
    this.#drawRows(events);
    Object.assign(this.slider, { max: last, value: this.seq, disabled: last < 2 });
    const place = t("at-event", { seq: this.seq, last });
    this.place.textContent = place;
    this.replay.hidden = this.#message === null;
    this.slider.setAttribute("aria-valuetext", `${place}: ${t(`kind-${events[this.seq - 1].event.kind}`)}`);
    this.caption.textContent = t("as-of", { seq: this.seq });
    this.#drawBefore(events);
  }

  /** The message that is selected, if it is one. */
  get #message() {
    const { seq, event } = this.feed.events[this.seq - 1];
    return event.kind === "message_received" ? { seq, ...event } : null;
  }

  #drawRows(events) {
    const start = Math.max(0, Math.min(events.length - WINDOW, this.seq - WINDOW / 2));
    const shown = events.slice(start, start + WINDOW);
    this.first = start + 1;
    const rowOf = (envelope) => this.#rows.get(envelope.seq) ?? this.#row(envelope, events[0].at);
    this.#rows = new Map(shown.map((envelope) => [envelope.seq, rowOf(envelope)]));
    renew(this.list, [...this.#rows.values()]);
    this.earlier.hidden = start === 0;
    this.later.hidden = start + WINDOW >= events.length;
    for (const [seq, row] of this.#rows) {
      row.classList.toggle("after", seq > this.seq);
      row.classList.toggle("selected", seq === this.seq);
      row.querySelector("button").ariaCurrent = seq === this.seq ? "true" : null;
    }
    const selected = this.#rows.get(this.seq);
    scrollWithin(this.list.parentElement, selected);
    if (this.moved) selected.querySelector("button").focus({ preventScroll: true });
    this.moved = false;
  }

  #row({ seq, at, run, event }, start) {
    const json = h("pre", { tabindex: 0, hidden: true });
    const toggle = () => {
      json.hidden = !json.hidden;
      json.textContent ||= JSON.stringify({ seq, at, run, event }, null, 2);
      unfold.ariaExpanded = String(!json.hidden);
    };
    const unfold = iconButton("chevron", t("unfold"), toggle, { "aria-expanded": "false", class: "unfold" });
    const span = (name, text, more) => h("span", { class: name, ...more }, text);
    const kind = span("kind", t(`kind-${event.kind}`), { dataset: { tone: toneOf(event) } });
    const time = h("time", { title: formatExact(at) }, `+${formatElapsed(at - start)}`);
    const parts = [span("seq", String(seq)), kind, span("about", summaryOf(event)), time];
    const onclick = () => this.#step(seq - this.seq);
    const pick = h("button", { type: "button", class: "event", onclick }, parts);
    return h("li", { dataset: { seq } }, h("div", { class: "line" }, pick, unfold), json);
  }

  /** The fold of the events up to here: the same code that shows the present shows the past. */
  #drawBefore(events) {
    if (this.#shown === this.seq) return;
    this.#shown = this.seq;
    const view = fold(events.slice(0, this.seq));
    this.conversation?.close();
    this.conversation = new Conversation(null, PAST_ITEMS);
    this.conversation.draw(view);
    const empty = !view.items.length && !view.waiting.length;
    this.before.replaceChildren(empty ? h("p", { class: "none" }, t("nothing-yet")) : this.conversation.element);
    this.before.scrollTop = this.before.scrollHeight;
  }

  #select(seq) {
    this.seq = seq;
    this.pinned = true;
    this.draw();
  }

  #step(by) {
    this.#select(Math.min(this.feed.events.length, Math.max(1, this.seq + by)));
    this.#remember();
  }

  #arrows(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.moved = true;
    this.#step(by);
  }

  /** The address keeps the place, without an entry of the browser's history for each. */
  #remember() { history.replaceState(null, "", `#/s/${this.feed.session}/timeline/${this.seq}`); }

  focus() { this.slider.focus(); }
  close() { this.conversation?.close(); }
}

function scrollWithin(pane, row) {
  const top = row.offsetTop - pane.offsetTop;
  const below = top + row.offsetHeight - pane.clientHeight;
  if (top < pane.scrollTop + 40) pane.scrollTop = top - 40;
  else if (below > pane.scrollTop) pane.scrollTop = below + 16;
}

const TONES = {
  tool_called: "tool", approval_asked: "asks", message_received: "person", model_responded: "model", run_started: "run",
};

export function toneOf({ kind, reason = "done", result, verdict }) {
  if (kind === "run_finished") return reason === "done" ? "done" : "bad";
  if (kind === "tool_returned") return result.is_error ? "bad" : "tool";
  if (kind === "approval_given") return verdict === "allow" ? "person" : "bad";
  return TONES[kind] ?? "";
}

const SUMMARIES = {
  session_started: ({ agent, channel }) => `${agent} · ${channel}`,
  message_received: ({ text }) => text,
  run_started: ({ model, attempt }) => [model, attempt > 1 && `× ${attempt}`].filter(Boolean).join(" "),
  steered: ({ messages }) => messages.join(", "),
  model_responded: ({ message: { parts } }) => parts.map(partSummary).join(" "),
  tool_called: ({ call }) => `${call.name}: ${callSummary(call.arguments)}`,
  tool_returned: ({ result }) => `${result.name}: ${result.text}`,
  approval_asked: ({ tool, reason }) => `${tool}: ${reason}`,
  approval_given: ({ verdict, by = "" }) => `${verdict} ${by}`,
  state_changed: ({ key, value }) => `${key} = ${JSON.stringify(value)}`,
  history_compacted: ({ summary }) => summary,
  vouched: ({ upto, by }) => `1–${upto} ${by}`,
  message_sent: ({ key }) => key,
  send_failed: ({ key, error }) => `${key}: ${error}`,
  budget_reached: ({ budget, percent }) => `${budget}: ${percent} %`,
  run_finished: ({ reason, detail = "" }) => `${reason} ${detail}`,
  session_ended: ({ reason = "" }) => reason,
};

const partSummary = (part) => (part.type === "tool_call" ? `${part.name}(${callSummary(part.arguments)})` : part.text);
export const summaryOf = (event) => oneLine(SUMMARIES[event.kind]?.(event) ?? "", 200);
