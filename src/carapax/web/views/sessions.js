// Sessions: found by words, agent, channel and state; renamed, copied, taken away, brought back, ended.

import { badge, button, formatAgo, formatExact, h, iconButton, Page, searchBox, select, t, table } from "../kit.js";
import { fetched } from "../rpc.js";

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
    this.query = searchBox(t("sessions-query"), { oninput: () => this.#typed() });
    const choice = (label, options) => select(options, { "aria-label": t(label), onchange: changed });
    const states = ["", ...STATES].map((value) => ({ value, label: t(`state-${value || "all"}`) }));
    this.agent = choice("agent", []);
    this.channel = choice("channel", []);
    this.state = choice("state", states);
    this.order = choice("sessions-order", ORDERS.map((value) => ({ value, label: t(`order-${value}`) })));
    this.found = h("div", { class: "spent" });
    const kept = { type: "file", accept: ".jsonl,application/x-ndjson", hidden: true };
    this.file = h("input", { ...kept, onchange: () => this.#import() });
    this.actions(this.file, button(t("sessions-import"), async () => this.file.click()));
    const filters = [this.query, this.agent, this.channel, this.state, this.order];
    this.put(h("div", { class: "filters", role: "search" }, filters), this.found);
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
    const chosen = { agent: agent.value, channel: channel.value, state: state.value, order: order.value };
    const wanted = { query: query.value.trim(), ...chosen };
    const { sessions, found = {} } = await this.app.rpc.call("session.list", { ...wanted, limit: this.#limit });
    if (!this.app.agents.length) await this.app.loadAgents();
    const known = this.app.agents.map(({ name }) => name);
    choices(agent, "all-agents", [...known, ...sessions.map((session) => session.agent)]);
    choices(channel, "sessions-channels", sessions.map((session) => session.channel));
    const isFull = sessions.length === this.#limit && this.#limit < MOST;
    const more = button(t("more-sessions"), () => this.#more());
    const isAll = Object.values(wanted).every((value) => !value || value === "updated");
    const [caption, empty] = [t("screen-sessions"), t(isAll ? "no-sessions" : "sessions-none")];
    const columns = this.#columns(found);
    const rows = table({ caption, columns, rows: sessions, empty, key: ({ id }) => id });
    this.found.replaceChildren(rows, isFull ? more : "");
  }

  #more() {
    this.#limit = Math.min(MOST, this.#limit * 4);
    return this.refresh();
  }

  #columns(found) {
    const link = ({ id, title }) => h("a", { href: `#/s/${id}` }, title || t("untitled"));
    const said = ({ id }) => found[id] && h("small", null, `… ${found[id]} …`);
    return [
      { title: t("session"), cell: (row) => h("div", { class: "entry" }, link(row), said(row)) },
      { title: t("agent"), cell: ({ agent }) => this.app.called(agent) },
      { title: t("channel"), cell: ({ channel }) => channel },
      { title: t("state"), cell: ({ state = "idle" }) => badge(t(`state-${state}`), TONES[state]) },
      { title: t("order-updated"), cell: ({ updated_at: at }) => h("time", { title: formatExact(at) }, formatAgo(at)) },
      { title: t("actions"), cell: (row) => this.#actions(row), className: "doing" },
    ];
  }

  #actions({ id, title = "", state }) {
    const named = { title: title || t("untitled") };
    const act = (sign, label, action) => iconButton(sign, t(label, named), action);
    return h("span", null, [
      act("pen", "sessions-rename", () => this.#rename(id, title)),
      act("fork", "sessions-fork", () => forkSession(this.app, { session: id })),
      act("down", "sessions-export", () => exportSession(this.app, id, title)),
      state !== "ended" && act("end", "sessions-end", () => this.#end(id, title)),
    ]);
  }

  async #rename(id, title) {
    if (await renameSession(this.app, id, title)) this.refresh();
  }

  #end(session, title) {
    return this.sure(title || t("untitled"), t("end-sure"), t("end-session"), async () => {
      await this.call("session.end", { session });
      this.refresh();
    });
  }

  async #import() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    const headers = { "content-type": "application/x-ndjson" };
    try {
      const { id } = await fetched("api/imports", { method: "POST", headers, body: file });
      location.hash = `#/s/${id}`;
    } catch (error) {
      this.app.tell(error);
    }
  }
}

/** Offer what there is, keeping what is chosen. */
function choices(element, all, names) {
  const { value, options } = element;
  const known = [...new Set([...options].map((option) => option.value).concat(names))].filter(Boolean).sort();
  const option = (name, label) => h("option", { value: name }, label);
  if (options.length === known.length + 1) return;
  element.replaceChildren(option("", t(all)), ...known.map((name) => option(name, name)));
  element.value = value;
}

/** Ask for another title; whether there is one now. */
export async function renameSession(app, session, title) {
  const input = h("input", { value: title, maxlength: 200, "aria-label": t("rename-session") });
  if (!(await app.ask(t("rename-session"), input, t("save")))) return false;
  const done = await app.attempt("session.rename", { session, title: input.value.trim() });
  app.sessions.refresh();
  return done !== null;
}

/** Copy a session, all of it or its events up to `at`, and go there. */
export async function forkSession(app, asked) {
  const made = await app.attempt("session.fork", asked);
  if (!made) return;
  app.sessions.refresh();
  location.hash = `#/s/${made.id}`;
}

/** Save a session as JSON lines. */
export async function exportSession(app, session, title) {
  const headers = { accept: "application/x-ndjson" };
  const response = await fetch(`api/sessions/${session}/export`, { headers }).catch(() => null);
  if (!response?.ok) return app.toast(t("went-wrong", { why: t("offline") }));
  const link = h("a", { href: URL.createObjectURL(await response.blob()), download: `${title || session}.jsonl` });
  link.click();
  URL.revokeObjectURL(link.href);
}
