// What happens and what happened: events as they come, the audit log, runs as waterfalls, the log of the gateway.

import { h, icon } from "../dom.js";
import { formatExact } from "../format.js";
import { button, Page, table, tabs } from "../kit.js";
import { t } from "../strings.js";
import { Live } from "./live.js";
import { Log } from "./log.js";
import { Traces } from "./traces.js";

const PAGE = 100;
const SESSIONS = 100;
const KINDS = ["", "auth", "token", "provider", "config", "session", "agents", "approval", "grant", "tool"];
const PARTS = { live: Live, audit: null, traces: Traces, log: Log };

export class Activity extends Page {
  #parts = new Map();

  async load() {
    if (this.#parts.size && this.path === this.drawn) return this.#parts.forEach((part) => part.open());
    this.close();
    this.#parts.clear();
    this.drawn = this.path;
    const { sessions } = (await this.call("session.list", { limit: SESSIONS })) ?? { sessions: [] };
    const all = Object.keys(PARTS).map((name) => ({ name, label: t(`activity-${name}`), content: () => this.#part(name, sessions) }));
    this.put(tabs(all, this.path || "live"));
  }

  #part(name, sessions) {
    const part = new (PARTS[name] ?? Audit)(this.app, sessions);
    this.#parts.set(name, part);
    return part.element;
  }

  close() {
    this.#parts.get("live")?.close();
  }
}

/** Who did what to the gateway, newest first. */
class Audit {
  #entries = [];

  constructor(app) {
    this.app = app;
    const options = KINDS.map((kind) => h("option", { value: kind }, t(`activity-of-${kind || "all"}`)));
    this.choice = h("select", { "aria-label": t("activity-kind"), onchange: () => this.open() }, options);
    this.chain = h("p", { class: "chain", role: "status" });
    this.rows = h("div");
    this.more = button(t("activity-more"), () => this.#load(this.#entries.at(-1).number));
    const choices = h("div", { class: "choices" }, this.choice, button(t("activity-verify"), () => this.#verify()));
    this.element = h("div", { class: "audit" }, choices, this.chain, this.rows, this.more);
    this.open();
  }

  open() {
    this.#entries = [];
    return this.#load(null);
  }

  async #load(before) {
    const answer = await this.app.attempt("audit.list", { kind: this.choice.value, limit: PAGE, before });
    if (!answer) return;
    this.#entries.push(...answer.entries);
    const columns = [
      { title: t("activity-when"), cell: ({ entry }) => h("time", null, formatExact(entry.at)) },
      { title: t("activity-what"), cell: ({ entry }) => h("code", null, entry.kind) },
      { title: t("activity-who"), cell: ({ entry }) => [entry.name || entry.who, entry.address].filter(Boolean).join(" · ") },
      { title: t("activity-detail"), cell: ({ entry }) => h("div", { class: "facts" }, factsOf(entry)) },
    ];
    this.rows.replaceChildren(table({ caption: t("activity-audit"), columns, rows: this.#entries, empty: t("activity-none") }));
    this.more.hidden = answer.entries.length < PAGE;
  }

  async #verify() {
    const verdict = await this.app.rpc.call("audit.verify");
    const text = verdict.broken ? t("activity-broken", { why: verdict.problem }) : t("activity-whole", { count: verdict.entries });
    this.chain.replaceChildren(icon(verdict.broken ? "warn" : "check", 16), " ", text);
    this.chain.classList.toggle("bad", verdict.broken > 0);
  }
}

function factsOf({ session, detail = {} }) {
  const short = (value) => String(value).replace(/^(\w{12})\w{52}$/, "$1…");
  const facts = Object.entries(detail).map(([key, value]) => h("span", { title: value }, `${key}: ${short(value)}`));
  return session ? [h("a", { href: `#/s/${session}` }, t("activity-session")), ...facts] : facts;
}
