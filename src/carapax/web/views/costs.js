// Costs: what models cost by day, of which agent, model, session or provider, and how the budgets stand.

import { BarChart, gauge } from "../chart.js";
import { h } from "../dom.js";
import { formatDay, formatMoment, formatNumber, formatUsd } from "../format.js";
import { t } from "../strings.js";

const BY = ["model", "agent", "session", "provider", "day"];
const DAYS = [7, 30, 90];
const OTHERS = 7;
const FRESH_MS = 3_000;
const DAY_MS = 86_400_000;

export class Costs {
  by = "model";
  days = 30;
  #asked = 0;

  constructor(app) {
    this.app = app;
    this.title = h("h1", { tabindex: -1 }, t("screen-costs"));
    this.period = h("div", { class: "tabs", role: "group", "aria-label": t("costs-period") });
    this.groups = h("div", { class: "tabs", role: "group", "aria-label": t("costs-by") });
    this.chart = new BarChart(formatUsd);
    this.summary = h("dl", { class: "figures" });
    this.budgets = h("ul", { class: "budgets", "aria-label": t("costs-budgets") });
    this.legend = h("ul", { class: "legend" });
    this.table = h("div", { class: "table", role: "region", tabindex: 0, "aria-label": t("screen-costs") });
    this.remarks = h("p", { class: "remarks" });
    this.empty = h("p", { class: "none" });
    this.shown = h("div", { class: "spent" }, this.chart.element, this.legend, this.table, this.remarks);
    const choices = h("div", { class: "choices" }, this.groups, this.period);
    this.content = h("div", { class: "sheet", hidden: true }, this.summary, this.budgets, choices, this.empty, this.shown);
    this.loading = h("p", { class: "loading" }, t("loading"));
    this.element = h(
      "div",
      { class: "screen costs" },
      h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, this.title)),
      h("div", { class: "scroller" }, this.loading, this.content),
    );
    this.#drawChoices();
    this.update();
  }

  /** Something happened: ask again, unless that was done just now. */
  update() {
    if (this.app.rpc.state === "open" && Date.now() - this.#asked > FRESH_MS) this.#load();
  }

  async #load() {
    this.#asked = Date.now();
    const { by, days } = this;
    const costs = await this.app.attempt("costs.get", { by, days });
    if (costs && by === this.by && days === this.days) this.#draw(costs);
  }

  #choose(name, value) {
    this[name] = value;
    this.#drawChoices();
    this.#load();
  }

  #drawChoices() {
    const choice = (name, value, text) => {
      const pressed = String(this[name] === value);
      return h("button", { type: "button", "aria-pressed": pressed, onclick: () => this.#choose(name, value) }, text);
    };
    const focused = document.activeElement?.textContent;
    this.groups.replaceChildren(...BY.map((by) => choice("by", by, t(`costs-by-${by}`))));
    this.period.replaceChildren(...DAYS.map((days) => choice("days", days, t("costs-days", { count: days }))));
    [...this.groups.children, ...this.period.children].find((button) => button.textContent === focused)?.focus();
  }

  #draw(costs) {
    this.loading.hidden = true;
    this.content.hidden = false;
    const { total, groups } = costs;
    this.empty.hidden = total.calls > 0;
    this.shown.hidden = total.calls === 0;
    this.empty.textContent = t("costs-none", { since: formatDay(costs.since), until: formatDay(costs.until) });
    this.#drawFigures(total);
    this.budgets.replaceChildren(...costs.budgets.map(budgetItem));
    this.#drawChart(costs);
    this.table.replaceChildren(groupTable(costs, groups));
    const told = [];
    if (total.estimated) told.push(t("costs-estimated", { count: formatNumber(total.estimated) }));
    if (total.unpriced) told.push(t("costs-unpriced", { count: formatNumber(total.unpriced) }));
    this.remarks.textContent = told.join(" ");
    this.remarks.hidden = !told.length;
  }

  #drawFigures(total) {
    const figures = { cost: formatUsd(total.cost_usd) };
    for (const name of ["calls", "input", "cache_read", "cache_write", "output", "reasoning", "tool"]) {
      if (total[name] || ["calls", "input", "output"].includes(name)) figures[name] = formatNumber(total[name]);
    }
    const figure = ([name, value]) => h("div", null, h("dt", null, t(`costs-${name}`)), h("dd", null, value));
    this.summary.replaceChildren(...Object.entries(figures).map(figure));
  }

  #drawChart({ since, until, by, groups, parts, total }) {
    const names = by === "day" ? [""] : groups.slice(0, OTHERS).map(({ name }) => name);
    const titles = new Map(groups.map((group) => [group.name, nameOf(group)]));
    const perDay = Object.groupBy(by === "day" ? groups.map(({ name, tally }) => ({ day: name, name: "", cost_usd: tally.cost_usd })) : parts, ({ day }) => day);
    const bars = daysBetween(since, until).map((day) => {
      const found = (perDay[day] ?? []).map(({ name, cost_usd: value }) => ({ name, value, tone: toneOf(names, name, by) }));
      found.sort((one, other) => one.tone - other.tone);
      const lines = by === "day" ? [] : found.map(({ name, value }) => `${titles.get(name) ?? t("costs-others")}: ${formatUsd(value)}`);
      const sum = found.reduce((all, { value }) => all + value, 0);
      return { label: formatDay(day), tip: [`${formatDay(day)}: ${formatUsd(sum)}`, ...lines].join("\n"), parts: found };
    });
    const period = { since: formatDay(since), until: formatDay(until), cost: formatUsd(total.cost_usd) };
    this.chart.show(bars, t("costs-chart", period));
    const entries = by === "day" ? [] : names.map((name, tone) => [titles.get(name), tone]);
    if (parts.some(({ name }) => !name)) entries.push([t("costs-others"), OTHERS]);
    const entry = ([name, tone]) => h("li", null, h("span", { class: `swatch tone-${tone}`, "aria-hidden": "true" }), name);
    this.legend.replaceChildren(...entries.map(entry));
    this.legend.hidden = !entries.length;
  }

  focus() {
    this.title.focus({ preventScroll: true });
  }

  close() {
    this.chart.close();
  }
}

const toneOf = (names, name, by) => (by === "day" ? 0 : name ? names.indexOf(name) : OTHERS);
const nameOf = ({ name, title }) => title || name || t("costs-nobody");

function daysBetween(since, until) {
  const days = [];
  for (let at = Date.parse(since); at <= Date.parse(until); at += DAY_MS) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

function budgetItem({ agent, period, spent_usd: spent, reserved_usd: reserved, limit_usd: limit, resets_at: at }) {
  const name = agent ? t(`costs-${period}-of`, { agent }) : t(`costs-${period}`);
  const label = t("costs-spent", { spent: formatUsd(spent), limit: formatUsd(limit) });
  const share = limit ? spent / limit : 1;
  const tone = share >= 1 ? "full" : share >= 0.8 ? "high" : "";
  const aside = reserved > 0 ? t("costs-aside", { reserved: formatUsd(reserved) }) : "";
  const until = t("costs-anew", { when: formatMoment(at) });
  return h(
    "li",
    { dataset: { tone } },
    h("div", { class: "what" }, h("span", null, name), h("span", { class: "amount" }, label)),
    gauge(Math.min(1, share), `${name}: ${label}`),
    h("small", null, [limit ? `${Math.round(share * 100)} %` : "", aside, until].filter(Boolean).join(" · ")),
  );
}

function groupTable({ by }, groups) {
  const columns = ["calls", "input", "cache_read", "output", "reasoning"].filter((name) => name !== "cache_read" && name !== "reasoning" ? true : groups.some(({ tally }) => tally[name]));
  const head = (text, right) => h("th", { scope: "col", class: right ? "to-right" : null }, text);
  const cell = (text) => h("td", { class: "to-right" }, text);
  const row = (group) => {
    const name = by === "day" ? formatDay(group.name) : nameOf(group);
    const shown = by === "session" && group.name ? h("a", { href: `#/s/${group.name}` }, name) : name;
    return h("tr", null, h("th", { scope: "row" }, shown), cell(formatUsd(group.tally.cost_usd)), columns.map((column) => cell(formatNumber(group.tally[column]))));
  };
  const rows = by === "day" ? groups.toReversed() : groups;
  return h(
    "table",
    null,
    h("caption", { class: "unseen" }, t(`costs-by-${by}`)),
    h("thead", null, h("tr", null, head(t(`costs-by-${by}`)), head(t("costs-cost"), true), columns.map((column) => head(t(`costs-${column}`), true)))),
    h("tbody", null, rows.map(row)),
  );
}
