// Costs: what models cost by day, of which agent, model, session or provider, and how the budgets stand.

import { BarChart, gauge } from "../chart.js";
import { formatDay, formatMoment, formatNumber, formatUsd, h, Page, t, table } from "../kit.js";

const COLUMNS = ["calls", "input", "cache_read", "output", "reasoning"];
const FIGURES = ["calls", "input", "cache_read", "cache_write", "output", "reasoning", "tool"];
const RARE = new Set(["cache_read", "reasoning"]);
const BY = ["model", "agent", "session", "provider", "day"];
const DAYS = [7, 30, 90];
const OTHERS = 7;
const FRESH_MS = 3_000;
const DAY_MS = 86_400_000;

export class Costs extends Page {
  by = "model";
  days = 30;
  chart = new BarChart(formatUsd);
  #asked = 0;

  /** Something happened: ask again, unless that was done just now. */
  update() {
    if (this.app.rpc.state === "open" && Date.now() - this.#asked > FRESH_MS) this.refresh();
  }

  async load() {
    this.#asked = Date.now();
    const costs = await this.app.rpc.call("costs.get", { by: this.by, days: this.days });
    if (JSON.stringify(costs) !== JSON.stringify(this.costs)) this.#draw(costs);
  }

  #choose(name, value) {
    this[name] = value;
    this.#draw(this.costs);
    this.refresh();
  }

  #choices() {
    const choice = (name, value, text) => {
      const pressed = String(this[name] === value);
      return h("button", { type: "button", "aria-pressed": pressed, onclick: () => this.#choose(name, value) }, text);
    };
    const group = (label, all) => h("div", { class: "tabs", role: "group", "aria-label": t(label) }, all);
    const groups = BY.map((by) => choice("by", by, t(by)));
    const periods = DAYS.map((days) => choice("days", days, t("costs-days", { count: days })));
    return h("div", { class: "choices" }, group("costs-by", groups), group("costs-period", periods));
  }

  #draw(costs) {
    this.costs = costs;
    const { total, groups, since, until } = costs;
    const remark = (name) => total[name] && t(`costs-${name}`, { count: formatNumber(total[name]) });
    const remarks = ["estimated", "unpriced"].map(remark).filter(Boolean).join(" ");
    const about = remarks && h("p", { class: "remarks" }, remarks);
    const none = h("p", { class: "none" }, t("costs-none", { since: formatDay(since), until: formatDay(until) }));
    const legend = this.#drawChart(costs);
    const spent = h("div", { class: "spent" }, this.chart.element, legend, groupTable(costs, groups), about);
    const budgets = h("ul", { class: "budgets", "aria-label": t("costs-budgets") }, costs.budgets.map(budgetItem));
    this.put(figures(total), budgets, this.#choices(), total.calls ? spent : none);
  }

  /** Draw the bars; what their colours mean is returned. */
  #drawChart({ since, until, by, groups, parts, total }) {
    const names = by === "day" ? [""] : groups.slice(0, OTHERS).map(({ name }) => name);
    const titles = new Map(groups.map((group) => [group.name, nameOf(group)]));
    const whole = ({ name: day, tally }) => ({ day, name: "", cost_usd: tally.cost_usd });
    const perDay = Object.groupBy(by === "day" ? groups.map(whole) : parts, ({ day }) => day);
    const bars = daysBetween(since, until).map((day) => {
      const part = ({ name, cost_usd: value }) => ({ name, value, tone: toneOf(names, name, by) });
      const found = (perDay[day] ?? []).map(part);
      found.sort((one, other) => one.tone - other.tone);
      const line = ({ name, value }) => `${titles.get(name) ?? t("costs-others")}: ${formatUsd(value)}`;
      const sum = found.reduce((all, { value }) => all + value, 0);
      const lines = [`${formatDay(day)}: ${formatUsd(sum)}`, ...(by === "day" ? [] : found.map(line))];
      return { label: formatDay(day), tip: lines.join("\n"), parts: found };
    });
    const period = { since: formatDay(since), until: formatDay(until), cost: formatUsd(total.cost_usd) };
    this.chart.show(bars, t("costs-chart", period));
    const entries = by === "day" ? [] : names.map((name, tone) => [titles.get(name), tone]);
    if (parts.some(({ name }) => !name)) entries.push([t("costs-others"), OTHERS]);
    const swatch = (tone) => h("span", { class: `swatch tone-${tone}`, "aria-hidden": "true" });
    const entry = ([name, tone]) => h("li", null, swatch(tone), name);
    return entries.length > 0 && h("ul", { class: "legend" }, entries.map(entry));
  }

  close() { this.chart.close(); }
}

function figures(total) {
  const isShown = (name) => total[name] || ["calls", "input", "output"].includes(name);
  const counts = FIGURES.filter(isShown).map((name) => [name, formatNumber(total[name])]);
  const figure = ([name, value]) => h("div", null, h("dt", null, t(`costs-${name}`)), h("dd", null, value));
  return h("dl", { class: "figures" }, [["cost", formatUsd(total.cost_usd)], ...counts].map(figure));
}

const toneOf = (names, name, by) => (by === "day" ? 0 : name ? names.indexOf(name) : OTHERS);
const nameOf = ({ name, title }) => title || name || t("costs-nobody");

function daysBetween(since, until) {
  const first = Date.parse(since);
  const length = (Date.parse(until) - first) / DAY_MS + 1;
  return Array.from({ length }, (_, index) => new Date(first + index * DAY_MS).toISOString().slice(0, 10));
}

function budgetItem({ agent, period, spent_usd: spent, reserved_usd: reserved, limit_usd: limit, resets_at: at }) {
  const name = agent ? t(`costs-${period}-of`, { agent }) : t(`costs-${period}`);
  const label = t("costs-spent", { spent: formatUsd(spent), limit: formatUsd(limit) });
  const share = limit ? spent / limit : 1;
  const tone = share >= 1 ? "full" : share >= 0.8 ? "high" : "";
  const aside = reserved > 0 ? t("costs-aside", { reserved: formatUsd(reserved) }) : "";
  const until = t("costs-anew", { when: formatMoment(at) });
  const what = h("div", { class: "what" }, h("span", null, name), h("span", { class: "amount" }, label));
  const more = [limit ? `${Math.round(share * 100)} %` : "", aside, until].filter(Boolean).join(" · ");
  return h("li", { dataset: { tone } }, what, gauge(Math.min(1, share), `${name}: ${label}`), h("small", null, more));
}

function groupTable({ by }, groups) {
  const counted = COLUMNS.filter((name) => !RARE.has(name) || groups.some(({ tally }) => tally[name]));
  const name = (group) => (by === "day" ? formatDay(group.name) : nameOf(group));
  const isLink = (group) => by === "session" && group.name;
  const link = (group) => (isLink(group) ? h("a", { href: `#/s/${group.name}` }, name(group)) : name(group));
  const number = (key, cell) => ({ title: t(`costs-${key}`), cell, className: "to-right" });
  const columns = [
    { title: t(by), cell: link },
    number("cost", ({ tally }) => formatUsd(tally.cost_usd)),
    ...counted.map((key) => number(key, ({ tally }) => formatNumber(tally[key]))),
  ];
  return table({ caption: t(by), columns, rows: by === "day" ? groups.toReversed() : groups });
}
