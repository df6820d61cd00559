// What happens and what happened: events as they come, the audit log, runs as waterfalls, the log of the gateway.

import { badge, button, formatExact, h, icon, legible, Page, searchBox, select, t, table, tabs } from "../kit.js";
import { Live } from "./live.js";
import { Traces } from "./traces.js";

const SESSIONS = 100;
const KINDS = ["", "auth", "token", "provider", "config", "session", "agents", "approval", "grant", "tool"];
const LEVELS = ["debug", "info", "warning", "error"];
const TONES = { warning: "warn", error: "bad" };
const PAGE = 100;

export class Activity extends Page {
  #parts = new Map();

  async load() {
    if (this.#parts.size && this.path === this.drawn) return this.#parts.forEach((part) => part.open());
    this.close();
    this.#parts.clear();
    this.drawn = this.path;
    const { sessions } = (await this.call("session.list", { limit: SESSIONS })) ?? { sessions: [] };
    const tab = (name) => ({ name, label: t(`activity-${name}`), content: () => this.#part(name, sessions) });
    this.put(tabs(Object.keys(PARTS).map(tab), this.path || "live"));
  }

  #part(name, sessions) {
    const part = new PARTS[name](this.app, sessions);
    this.#parts.set(name, part);
    return part.element;
  }

  close() { this.#parts.get("live")?.close(); }
}

/** A table that grows page by page, newest first. `ask(last)` gives the page after a row, or the first. */
class Pages {
  #rows = [];

  constructor(app, caption, columns) {
    Object.assign(this, { app, caption, columns, table: h("div") });
    this.more = button(t("activity-more"), () => this.#load(this.#rows));
    this.rows = h("div", { class: "stack" }, this.table, this.more);
  }

  open() { return this.#load([]); }

  async #load(before) {
    const asked = (this.asked = this.ask(before.at(-1)));
    const page = await asked;
    if (!page || this.asked !== asked) return; // something else was asked for meanwhile
    const { caption, columns } = this;
    this.#rows = [...before, ...page];
    this.table.replaceChildren(table({ caption, columns, rows: this.#rows, empty: t("activity-none") }));
    this.more.hidden = page.length < PAGE;
  }
}

/** Who did what to the gateway. */
class Audit extends Pages {
  constructor(app) {
    super(app, t("activity-audit"), [
      { title: t("activity-when"), cell: ({ entry }) => h("time", null, formatExact(entry.at)) },
      { title: t("activity-what"), cell: ({ entry }) => h("code", null, entry.kind) },
      { title: t("activity-who"), cell: whoOf },
      { title: t("activity-detail"), cell: ({ entry }) => h("div", { class: "facts" }, factsOf(entry)) },
    ]);
    const options = KINDS.map((value) => ({ value, label: t(`activity-of-${value || "all"}`) }));
    this.choice = select(options, { "aria-label": t("activity-kind"), onchange: () => this.open() });
    this.chain = h("p", { class: "chain", role: "status" });
    const choices = h("div", { class: "choices" }, this.choice, button(t("activity-verify"), () => this.#verify()));
    this.element = h("div", { class: "audit" }, choices, this.chain, this.rows);
    this.open();
  }

  async ask(last) {
    const wanted = { kind: this.choice.value, limit: PAGE, before: last?.number ?? null };
    return (await this.app.attempt("audit.list", wanted))?.entries;
  }

  async #verify() {
    const { broken, problem: why, entries: count } = await this.app.rpc.call("audit.verify");
    const text = broken ? t("activity-broken", { why }) : t("activity-whole", { count });
    this.chain.replaceChildren(icon(broken ? "warn" : "check", 16), " ", text);
    this.chain.classList.toggle("bad", broken > 0);
  }
}

const whoOf = ({ entry: { name, who, address } }) => [name || who, address].filter(Boolean).join(" · ");

function factsOf({ session, detail = {} }) {
  const short = (value) => String(value).replace(/^(\w{12})\w{52}$/, "$1…");
  const facts = Object.entries(detail).map(([key, value]) => h("span", { title: value }, `${key}: ${short(value)}`));
  return session ? [h("a", { href: `#/s/${session}` }, t("activity-session")), ...facts] : facts;
}

function told({ text, error = "", session = "" }) {
  const link = session && h("a", { href: `#/s/${session}` }, t("activity-session"));
  return [legible(text), error && h("pre", null, error), link].filter(Boolean);
}

/** What the gateway logged. */
class Log extends Pages {
  constructor(app) {
    super(app, t("activity-log"), [
      { title: t("activity-when"), cell: ({ at }) => h("time", null, formatExact(at)) },
      { title: t("log-level"), cell: ({ level }) => badge(level, TONES[level]) },
      { title: t("activity-what"), cell: told },
      { title: t("log-part"), cell: ({ logger }) => h("code", null, logger) },
    ]);
    const onchange = () => this.open();
    this.level = select(LEVELS, { "aria-label": t("log-level"), onchange });
    this.text = searchBox(t("log-search"), { onchange });
    this.trouble = h("p", { class: "problem", hidden: true });
    const find = h("label", { class: "field find" }, this.text);
    const choices = h("div", { class: "choices" }, this.level, find, button(t("look-again"), onchange));
    this.element = h("div", { class: "log" }, choices, this.trouble, this.rows);
    this.open();
  }

  async ask(last) {
    const wanted = { level: this.level.value, text: this.text.value, before: last?.at ?? null, limit: PAGE };
    const answer = await this.app.attempt("log.list", wanted);
    const { trouble = "", lines } = answer ?? {};
    Object.assign(this.trouble, { textContent: trouble, hidden: !trouble });
    return lines;
  }
}

const PARTS = { live: Live, audit: Audit, traces: Traces, log: Log };
