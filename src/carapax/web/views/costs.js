// Costs: what models cost by day, of which agent, model, session or provider, and how the budgets stand.

import { BarChart, gauge } from "../chart.js";
import { h } from "../dom.js";
import { formatDay, formatMoment, formatNumber, formatUsd } from "../format.js";
import { Page, table } from "../kit.js";
import { t } from "../strings.js";

const COLUMNS = ["calls", "input", "cache_read", "output", "reasoning"];
const RARE = new Set(["cache_read", "reasoning"]);
const BY = ["model", "agent", "session", "provider", "day"];
const DAYS = [7, 30, 90];
const OTHERS = 7;
const FRESH_MS = 3_000;
const DAY_MS = 86_400_000;

export class Costs extends Page {
  by = "model";
  days = 30;
  #asked = 0;

  constructor(app, name) {
    super(app, name);
    this.period = h("div", { class: "tabs", role: "group", "aria-label": t("costs-period") });
    this.groups = h("div", { class: "tabs", role: "group", "aria-label": t("costs-by") });
    this.chart = new BarChart(formatUsd);
    this.summary = h("dl", { class: "figures" });
    this.budgets = h("ul", { class: "budgets", "aria-label": t("costs-budgets") });
    this.legend = h("ul", { class: "legend" });
    this.table = h("div");
    this.remarks = h("p", { class: "remarks" });
    this.empty = h("p", { class: "none" });
    this.shown = h("div", { class: "spent" }, this.chart.element, this.legend, this.table, this.remarks);
    this.choices = h("div", { class: "choices" }, this.groups, this.period);
    this.#drawChoices();
  }

  /** Something happened: ask again, unless that was done just now. */
  update() {
    if (this.app.rpc.state === "open" && Date.now() - this.#asked > FRESH_MS) this.refresh();
  }

  async load() {
    this.#asked = Date.now();
    const costs = await this.call("costs.get", { by: this.by, days: this.days });
    if (costs) this.#draw(costs);
  }

  #choose(name, value) {
    this[name] = value;
    this.#drawChoices();
    this.refresh();
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
    if (!this.choices.isConnected) this.put(this.summary, this.budgets, this.choices, this.empty, this.shown);
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
  const counted = COLUMNS.filter((name) => !RARE.has(name) || groups.some(({ tally }) => tally[name]));
  const name = (group) => (by === "day" ? formatDay(group.name) : nameOf(group));
  const link = (group) => (by === "session" && group.name ? h("a", { href: `#/s/${group.name}` }, name(group)) : name(group));
  const number = (key, cell) => ({ title: t(`costs-${key}`), cell, className: "to-right" });
  const columns = [
    { title: t(`costs-by-${by}`), cell: link },
    number("cost", ({ tally }) => formatUsd(tally.cost_usd)),
    ...counted.map((key) => number(key, ({ tally }) => formatNumber(tally[key]))),
  ];
  return table({ caption: t(`costs-by-${by}`), columns, rows: by === "day" ? groups.toReversed() : groups });
}
