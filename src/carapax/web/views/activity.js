// The audit log: who did what to the gateway, newest first.

import { h, icon } from "../dom.js";
import { formatExact } from "../format.js";
import { t } from "../strings.js";

const PAGE = 100;
const KINDS = ["", "auth", "token", "provider", "config", "session", "agents", "approval", "grant", "tool"];

export class Activity {
  kind = "";
  entries = [];
  loaded = false;

  constructor(app) {
    this.app = app;
    this.title = h("h1", { tabindex: -1 }, t("screen-activity"));
    const options = KINDS.map((kind) => h("option", { value: kind }, t(`activity-of-${kind || "all"}`)));
    this.choice = h("select", { "aria-label": t("activity-kind"), onchange: () => this.#choose() }, options);
    const verify = h("button", { type: "button", class: "button", onclick: () => this.#verify() }, t("activity-verify"));
    this.chain = h("p", { class: "chain", role: "status" });
    this.rows = h("tbody");
    const heads = ["when", "what", "who", "detail"].map((name) => h("th", { scope: "col" }, t(`activity-${name}`)));
    const table = h("table", null, h("thead", null, h("tr", null, heads)), this.rows);
    this.table = h("div", { class: "table", role: "region", tabindex: 0, "aria-label": t("screen-activity") }, table);
    this.none = h("p", { class: "none", hidden: true }, t("activity-none"));
    this.more = h("button", { type: "button", class: "button", onclick: () => this.#load(this.entries.at(-1).number) }, t("activity-more"));
    const choices = h("div", { class: "choices" }, this.choice, verify);
    this.content = h("div", { class: "sheet", hidden: true }, choices, this.chain, this.table, this.none, this.more);
    this.element = h(
      "div",
      { class: "screen activity" },
      h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, this.title)),
      h("div", { class: "scroller" }, this.content),
    );
    this.update();
  }

  /** The connection is there: what is shown is asked for once. */
  update() {
    if (!this.loaded) this.#load();
  }

  focus() {
    this.title.focus();
  }

  close() {}

  #choose() {
    this.kind = this.choice.value;
    this.#load();
  }

  async #load(before = null) {
    if (this.app.rpc.state !== "open") return;
    this.loaded = true;
    const answer = await this.app.attempt("audit.list", { kind: this.kind, limit: PAGE, before });
    if (!answer) return;
    this.entries = before === null ? answer.entries : [...this.entries, ...answer.entries];
    this.rows.replaceChildren(...this.entries.map(row));
    this.content.hidden = false;
    this.none.hidden = this.entries.length > 0;
    this.table.hidden = !this.entries.length;
    this.more.hidden = answer.entries.length < PAGE;
  }

  async #verify() {
    const verdict = await this.app.attempt("audit.verify");
    if (!verdict) return;
    const text = verdict.broken ? t("activity-broken", { why: verdict.problem }) : t("activity-whole", { count: verdict.entries });
    this.chain.replaceChildren(icon(verdict.broken ? "warn" : "check", 16), " ", text);
    this.chain.classList.toggle("bad", verdict.broken > 0);
  }
}

function row({ entry }) {
  const { session, name, who, address, detail = {} } = entry;
  const facts = Object.entries(detail).map(([key, value]) => h("span", null, `${key}: ${value}`));
  if (session) facts.unshift(h("a", { href: `#/s/${session}` }, t("activity-session")));
  return h(
    "tr",
    null,
    h("td", null, formatExact(entry.at)),
    h("td", null, h("code", null, entry.kind)),
    h("td", null, [name || who, address].filter(Boolean).join(" · ")),
    h("td", { class: "facts" }, facts),
  );
}
