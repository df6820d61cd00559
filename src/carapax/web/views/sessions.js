// Sessions: found by words, agent, channel and state; renamed, copied, taken away, brought back, ended.

import { h, icon, iconButton } from "../dom.js";
import { formatAgo, formatExact } from "../format.js";
import { badge, button, confirmed, Page, table } from "../kit.js";
import { t } from "../strings.js";

const PAGE = 50;
const MOST = 1000;
const TYPING_MS = 200;
const STATES = ["idle", "running", "ended"];
const ORDERS = ["updated", "created", "title"];
const TONES = { running: "ok", idle: "quiet", ended: "warn" };

export class Sessions extends Page {
  #limit = PAGE;
  #timer = 0;

  constructor(app, name) {
    super(app, name);
    const changed = () => this.#changed();
    const label = t("sessions-query");
    this.query = h("input", { type: "search", "aria-label": label, placeholder: label, oninput: () => this.#typed() });
    const select = (label) => h("select", { "aria-label": t(label), onchange: changed });
    this.agent = select("agent");
    this.channel = select("sessions-channel");
    this.state = select("sessions-state");
    this.order = select("sessions-order");
    this.state.append(...["", ...STATES].map((state) => option(state, t(`state-${state || "all"}`))));
    this.order.append(...ORDERS.map((order) => option(order, t(`order-${order}`))));
    this.found = h("div", { class: "spent" });
    this.file = h("input", { type: "file", accept: ".jsonl,application/x-ndjson", hidden: true, onchange: () => this.#import() });
    this.actions(this.file, button(t("sessions-import"), async () => this.file.click()));
    const filters = h("div", { class: "filters", role: "search" }, this.query, this.agent, this.channel, this.state, this.order);
    this.put(filters, this.found);
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#changed(), TYPING_MS);
  }

  #changed() {
    this.#limit = PAGE;
    this.refresh();
  }

  async load() {
    const { query, agent, channel, state, order } = this;
    const wanted = { query: query.value.trim(), agent: agent.value, channel: channel.value, state: state.value, order: order.value };
    const answer = await this.call("session.list", { ...wanted, limit: this.#limit });
    if (!answer) return;
    if (!this.app.agents.length) await this.app.loadAgents();
    const { sessions, found = {} } = answer;
    choices(agent, "sessions-agents", this.app.agents.map(({ name }) => name), sessions.map((session) => session.agent));
    choices(channel, "sessions-channels", sessions.map((session) => session.channel));
    const isFull = sessions.length === this.#limit && this.#limit < MOST;
    const more = button(t("more-sessions"), () => this.#more());
    const empty = t(Object.values(wanted).some((value) => value && value !== "updated") ? "sessions-none" : "no-sessions");
    const rows = table({ caption: t("screen-sessions"), columns: this.#columns(found), rows: sessions, empty, key: ({ id }) => id });
    this.found.replaceChildren(rows, isFull ? more : "");
  }

  #more() {
    this.#limit = Math.min(MOST, this.#limit * 4);
    return this.refresh();
  }

  #columns(found) {
    const title = ({ id, title: name }) => [h("a", { href: `#/s/${id}` }, name || t("untitled")), found[id] && h("small", null, `… ${found[id]} …`)];
    return [
      { title: t("sessions-title"), cell: (row) => h("div", { class: "entry" }, title(row)) },
      { title: t("agent"), cell: ({ agent }) => this.app.called(agent) },
      { title: t("sessions-channel"), cell: ({ channel }) => channel },
      { title: t("sessions-state"), cell: ({ state = "idle" }) => badge(t(`state-${state}`), TONES[state]) },
      { title: t("order-updated"), cell: ({ updated_at: at }) => h("time", { title: formatExact(at) }, formatAgo(at)) },
      { title: t("sessions-doing"), cell: (row) => this.#actions(row), className: "doing" },
    ];
  }

  #actions({ id, title = "", state }) {
    const act = (sign, label, action) => iconButton(sign, t(label, { title: title || t("untitled") }), () => action(id, title));
    return h("span", null, [
      act("pen", "sessions-rename", () => this.#rename(id, title)),
      act("fork", "sessions-fork", () => this.#fork(id)),
      act("down", "sessions-export", () => exportSession(this.app, id, title)),
      state !== "ended" && act("end", "sessions-end", () => this.#end(id, title)),
    ]);
  }

  async #rename(id, title) {
    if (await renameSession(this.app, id, title)) this.refresh();
  }

  async #fork(session) {
    const made = await this.call("session.fork", { session });
    if (made) location.hash = `#/s/${made.id}`;
  }

  async #end(session, title) {
    if (!(await confirmed(this.app, title || t("untitled"), t("end-sure"), t("end-session")))) return;
    await this.call("session.end", { session });
    this.refresh();
  }

  async #import() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    const headers = { "content-type": "application/x-ndjson" };
    const response = await fetch("api/imports", { method: "POST", headers, body: file }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (response?.ok) location.hash = `#/s/${answer.id}`;
    else this.app.toast(answer ? t("went-wrong", { why: [answer.detail, answer.hint].filter(Boolean).join(" ") }) : t("offline"));
  }
}

const option = (value, label) => h("option", { value }, label);

/** Offer what there is, keeping what is chosen. */
function choices(select, all, ...names) {
  const known = [...new Set([...[...select.options].map(({ value }) => value), ...names.flat()])].filter(Boolean).sort();
  const { value } = select;
  if (select.options.length !== known.length + 1) select.replaceChildren(option("", t(all)), ...known.map((name) => option(name, name)));
  select.value = value;
}

/** Ask for another title; whether there is one now. */
export async function renameSession(app, session, title) {
  const input = h("input", { value: title, maxlength: 200, "aria-label": t("rename-session") });
  if (!(await app.ask(t("rename-session"), input, t("save")))) return false;
  const done = await app.attempt("session.rename", { session, title: input.value.trim() });
  app.sessions.refresh();
  return done !== null;
}

/** Save a session as JSON lines. */
export async function exportSession(app, session, title) {
  const response = await fetch(`api/sessions/${session}/export`, { headers: { accept: "application/x-ndjson" } }).catch(() => null);
  if (!response?.ok) return app.toast(t("went-wrong", { why: t("offline") }));
  const link = h("a", { href: URL.createObjectURL(await response.blob()), download: `${title || session}.jsonl` });
  link.click();
  URL.revokeObjectURL(link.href);
}
