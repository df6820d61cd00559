// What happens now, in all sessions. A bounded list, drawn once a frame however much happens.

import { isStreamed } from "../fold.js";
import { button, formatClock, h, oneLine, onFrame, select, t } from "../kit.js";
import { summaryOf, toneOf } from "./timeline.js";

const KEPT = 300;
const TAIL = 160;

export class Live {
  #waiting = [];
  #rows = [];
  #streaming = new Map();
  #agents = new Map();
  #titles = new Map(); // of sessions that are newer than the list of them
  #filter = { which: "", agent: "", session: "" };
  #receive = ({ detail }) => this.#take(detail);

  constructor(app, sessions) {
    this.app = app;
    this.list = h("ol", { class: "live-list", "aria-label": t("activity-live") });
    this.pause = button(t("activity-pause"), () => this.#toggle());
    this.count = h("span", { class: "count", role: "status" });
    const all = (label) => ({ value: "", label: t(label) });
    const which = ["", "kept", "streamed"].map((value) => ({ value, label: t(`activity-what-${value || "all"}`) }));
    const agents = [all("all-agents"), ...app.agents.map(({ name }) => name)];
    const known = sessions.map(({ id, title }) => ({ value: id, label: oneLine(title || id, 40) }));
    const within = [all("activity-all-sessions"), ...known];
    const choices = [this.#choice("which", which), this.#choice("agent", agents), this.#choice("session", within)];
    this.none = h("p", { class: "none" }, t("activity-quiet"));
    const bar = h("div", { class: "choices" }, choices, this.pause, this.count);
    this.element = h("div", { class: "live" }, bar, this.none, this.list);
    this.draw = onFrame(() => this.#draw());
    app.rpc.addEventListener("event", this.#receive);
    this.open();
  }

  /** Follow all sessions, from now on; again after a lost connection. */
  open() { this.app.attempt("session.subscribe", { session: "" }); }

  close() {
    this.app.rpc.removeEventListener("event", this.#receive);
    this.app.rpc.call("session.unsubscribe", { session: "" }).catch(() => {});
  }

  #choice(name, options) {
    const onchange = ({ target }) => {
      this.#filter[name] = target.value;
      this.#rows.forEach(({ element, envelope }) => (element.hidden = !this.#wants(envelope)));
    };
    return select(options, { "aria-label": t(name), onchange });
  }

  #wants({ session, event }) {
    const { which, agent, session: wanted } = this.#filter;
    if (which && isStreamed(event.kind) !== (which === "streamed")) return false;
    if (wanted && session !== wanted) return false;
    return !agent || (this.#agents.get(session) ?? this.app.sessions.find(session)?.agent) === agent;
  }

  #toggle() {
    this.isPaused = !this.isPaused;
    this.pause.textContent = t(this.isPaused ? "activity-resume" : "activity-pause");
    this.draw();
  }

  #take(envelope) {
    const { session, event } = envelope;
    if (event.kind === "session_started") this.#agents.set(session, event.agent);
    if (event.kind === "state_changed" && event.key === "title") this.#titles.set(session, event.value);
    this.#waiting.push(envelope);
    if (this.#waiting.length > 2 * KEPT) this.#waiting.splice(0, this.#waiting.length - KEPT);
    this.draw();
  }

  #draw() {
    this.count.textContent = this.isPaused ? t("activity-held", { count: this.#waiting.length }) : "";
    if (this.isPaused) return;
    const fresh = [];
    for (const envelope of this.#waiting.splice(0)) if (!this.#grow(envelope)) fresh.push(this.#row(envelope));
    if (!fresh.length) return;
    this.none.hidden = true;
    this.#rows.push(...fresh);
    this.list.prepend(...fresh.map(({ element }) => element).reverse());
    for (const { element } of this.#rows.splice(0, Math.max(0, this.#rows.length - KEPT))) element.remove();
  }

  /** Pieces of one answer are one row, which shows its end. Whether the envelope was such a piece. */
  #grow({ session, run, event }) {
    const last = this.#streaming.get(session);
    if (last?.kind !== event.kind || last.run !== run || event.text === undefined) return false;
    last.text = (last.text + event.text).slice(-TAIL);
    last.about.textContent = last.text;
    return true;
  }

  #row(envelope) {
    const { session, seq, at, run, event } = envelope;
    const text = isStreamed(event.kind) ? (event.text ?? event.reason ?? "") : summaryOf(event);
    const about = h("span", { class: "about" }, text.slice(-TAIL));
    this.#streaming.set(session, { kind: event.kind, run, text, about });
    const title = this.#titles.get(session) || this.app.sessions.find(session)?.title || session;
    const link = h("a", { href: `#/s/${session}/timeline/${seq}`, title }, oneLine(title, 40));
    const kind = h("span", { class: "kind", dataset: { tone: toneOf(event) } }, t(`kind-${event.kind}`));
    const element = h("li", { hidden: !this.#wants(envelope) }, h("time", null, formatClock(at)), kind, link, about);
    return { element, envelope };
  }
}
