// What the gateway logged, newest first.

import { h } from "../dom.js";
import { formatExact, legible } from "../format.js";
import { badge, button, table } from "../kit.js";
import { t } from "../strings.js";

const PAGE = 100;
const LEVELS = ["debug", "info", "warning", "error"];
const TONES = { warning: "warn", error: "bad" };

export class Log {
  #lines = [];

  constructor(app) {
    this.app = app;
    this.level = h("select", { "aria-label": t("log-level"), onchange: () => this.open() }, LEVELS.map((name) => h("option", { value: name }, name)));
    this.text = h("input", { type: "search", "aria-label": t("log-search"), placeholder: t("log-search"), onchange: () => this.open() });
    this.lines = h("div");
    this.more = button(t("activity-more"), () => this.#load(this.#lines.at(-1).at));
    const find = h("label", { class: "field find" }, this.text);
    this.element = h("div", { class: "log" }, h("div", { class: "choices" }, this.level, find, button(t("log-again"), () => this.open())), this.lines, this.more);
    this.open();
  }

  open() {
    this.#lines = [];
    return this.#load(null);
  }

  async #load(before) {
    const answer = await this.app.attempt("log.list", { level: this.level.value, text: this.text.value, before, limit: PAGE });
    if (!answer) return;
    this.#lines.push(...answer.lines);
    const columns = [
      { title: t("activity-when"), cell: ({ at }) => h("time", null, formatExact(at)) },
      { title: t("log-level"), cell: ({ level }) => badge(level, TONES[level]) },
      { title: t("activity-what"), cell: ({ text, error = "", session = "" }) => [legible(text), error && h("pre", null, error), session && h("a", { href: `#/s/${session}` }, t("activity-session"))].filter(Boolean) },
      { title: t("log-part"), cell: ({ logger }) => h("code", null, logger) },
    ];
    const trouble = answer.trouble && h("p", { class: "problem" }, answer.trouble);
    this.lines.replaceChildren(...[trouble, table({ caption: t("activity-log"), columns, rows: this.#lines, empty: t("activity-none") })].filter(Boolean));
    this.more.hidden = answer.lines.length < PAGE;
  }
}
