// Every event of a session, and the conversation as it was at any of them.

import { h, icon, iconButton, onFrame } from "../dom.js";
import { fold } from "../fold.js";
import { callSummary, formatElapsed, formatExact, oneLine } from "../format.js";
import { t } from "../strings.js";
import { Conversation } from "./conversation.js";
import { replay } from "./modelchoice.js";

const WINDOW = 160;
const PAST_ITEMS = 30;

export class Timeline {
  #rows = new Map();
  #shown = "";

  constructor(app, feed) {
    this.app = app;
    this.feed = feed;
    this.seq = 0;
    this.slider = h("input", {
      type: "range",
      min: 1,
      "aria-label": t("events"),
      oninput: () => this.#select(Number(this.slider.value)),
      onchange: () => this.#remember(),
    });
    this.place = h("output", { class: "place" });
    this.fork = h("button", { type: "button", class: "button primary", onclick: () => this.#fork() }, icon("fork", 15), t("fork-here"));
    this.replay = iconButton("model", t("replay"), () => replay(app, feed.session, this.#message), { hidden: true });
    const quiet = (label, onclick) => h("button", { type: "button", class: "quiet", onclick }, t(label));
    this.earlier = quiet("earlier-events", () => this.#select(this.first));
    this.later = quiet("later-events", () => this.#select(this.first + WINDOW - 1));
    this.list = h("ol", { class: "events", "aria-label": t("events"), onkeydown: (event) => this.#arrows(event) });
    this.caption = h("p", { class: "caption" });
    this.before = h("div", { class: "before", tabindex: 0, role: "region", "aria-label": t("view-chat") });
    const step = (label, by) => iconButton("chevron", t(label), () => this.#step(by), { class: by < 0 ? "back" : "" });
    const back = step("previous-event", -1);
    const on = step("next-event", 1);
    this.element = h(
      "div",
      { class: "timeline" },
      h("div", { class: "travel" }, back, this.slider, on, this.place, this.replay, this.fork),
      h(
        "div",
        { class: "panes" },
        h("div", { class: "pane list" }, this.earlier, this.list, this.later),
        h("div", { class: "pane" }, this.caption, this.before),
      ),
    );
    this.draw = onFrame(() => this.#draw());
  }

  /** Go to an event; without one, to the last, and stay there as more happen. */
  go(seq) {
    this.pinned = Boolean(seq);
    if (seq) this.seq = seq;
    this.draw();
  }

  update() {
    this.draw();
  }

  #draw() {
    const { events } = this.feed;
    const last = events.length;
    if (!last) return;
    if (!this.pinned) this.seq = last;
    this.seq = Math.min(Math.max(1, this.seq), last);
    this.#drawRows(events);
    this.slider.max = last;
    this.slider.value = this.seq;
    this.slider.disabled = last < 2;
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
    const stale = new Set(this.#rows.keys());
    for (const envelope of shown) {
      stale.delete(envelope.seq);
      if (!this.#rows.has(envelope.seq)) this.#rows.set(envelope.seq, this.#row(envelope, events[0].at));
    }
    for (const seq of stale) this.#rows.delete(seq);
    const wanted = shown.map(({ seq }) => this.#rows.get(seq));
    const { firstChild, lastChild } = this.list;
    if (firstChild !== wanted[0] || lastChild !== wanted.at(-1)) this.list.replaceChildren(...wanted);
    this.earlier.hidden = start === 0;
    this.later.hidden = start + WINDOW >= events.length;
    this.selected?.removeAttribute("aria-current");
    this.selected?.classList.remove("selected");
    this.selected = this.#rows.get(this.seq);
    this.selected.classList.add("selected");
    this.selected.querySelector("button").setAttribute("aria-current", "true");
    for (const row of wanted) row.classList.toggle("after", Number(row.dataset.seq) > this.seq);
    scrollWithin(this.list.parentElement, this.selected);
    if (this.moved) this.selected.querySelector("button").focus({ preventScroll: true });
    this.moved = false;
  }

  #row({ seq, at, run, event }, start) {
    const json = h("pre", { tabindex: 0, hidden: true });
    const unfold = iconButton("chevron", t("unfold"), () => {
      json.hidden = !json.hidden;
      json.textContent ||= JSON.stringify({ seq, at, run, event }, null, 2);
      unfold.setAttribute("aria-expanded", String(!json.hidden));
    }, { "aria-expanded": "false", class: "unfold" });
    const pick = h(
      "button",
      { type: "button", class: "event", onclick: () => this.#step(seq - this.seq) },
      h("span", { class: "seq" }, String(seq)),
      h("span", { class: "kind", dataset: { tone: toneOf(event) } }, t(`kind-${event.kind}`)),
      h("span", { class: "about" }, summaryOf(event)),
      h("time", { title: formatExact(at) }, `+${formatElapsed(at - start)}`),
    );
    return h("li", { dataset: { seq } }, h("div", { class: "line" }, pick, unfold), json);
  }

  /** The fold of the events up to here: the same code that shows the present shows the past. */
  #drawBefore(events) {
    const shown = `${this.seq}`;
    if (this.#shown === shown) return;
    this.#shown = shown;
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
  #remember() {
    history.replaceState(null, "", `#/s/${this.feed.session}/timeline/${this.seq}`);
  }

  async #fork() {
    const made = await this.app.attempt("session.fork", { session: this.feed.session, at: this.seq });
    if (!made) return;
    this.app.sessions.refresh();
    location.hash = `#/s/${made.id}`;
  }

  focus() {
    this.slider.focus();
  }

  close() {
    this.conversation?.close();
  }
}

function scrollWithin(pane, row) {
  const top = row.offsetTop - pane.offsetTop;
  if (top < pane.scrollTop + 40) pane.scrollTop = top - 40;
  else if (top + row.offsetHeight > pane.scrollTop + pane.clientHeight) pane.scrollTop = top + row.offsetHeight - pane.clientHeight + 16;
}

export function toneOf({ kind, reason = "done", result, verdict }) {
  if (kind === "run_finished") return reason === "done" ? "done" : "bad";
  if (kind === "tool_returned") return result.is_error ? "bad" : "tool";
  if (kind === "approval_given") return verdict === "allow" ? "person" : "bad";
  return { tool_called: "tool", approval_asked: "asks", message_received: "person", model_responded: "model", run_started: "run" }[kind] ?? "";
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
