// The runs of a session as waterfalls: what each waited for, and how long.

import { badge, card, formatElapsed, formatMoment, formatNumber, formatUsd, h, legible, oneLine } from "../kit.js";
import { select, t } from "../kit.js";
import { traces } from "../trace.js";

const PAGE = 500;
const RUNS = 20;
const SPANS = 400;

export class Traces {
  constructor(app, sessions) {
    this.app = app;
    const options = sessions.map(({ id, title }) => ({ value: id, label: oneLine(title || id, 60) }));
    this.choice = select(options, { "aria-label": t("session"), onchange: () => this.open() });
    this.about = h("p", { class: "remarks", role: "status" });
    this.runs = h("div", { class: "runs" });
    this.element = h("div", { class: "traces" }, h("div", { class: "choices" }, this.choice), this.about, this.runs);
    this.open();
  }

  async open() {
    const session = this.choice.value;
    if (!session) return void (this.about.textContent = t("no-sessions"));
    const events = [];
    for (let page; !page || page.length === PAGE; events.push(...page)) {
      const answer = await this.app.attempt("session.events", { session, after: events.at(-1)?.seq ?? 0, limit: PAGE });
      if (!answer || session !== this.choice.value) return;
      page = answer.events;
    }
    const cost = await this.app.attempt("costs.session", { session });
    if (session !== this.choice.value) return;
    const runs = traces(events).reverse();
    this.about.textContent = t("trace-session", { count: runs.length, cost: formatUsd(cost?.cost_usd ?? 0) });
    this.runs.replaceChildren(...runs.slice(0, RUNS).map((run) => runCard(session, run)));
  }
}

function runCard(session, run) {
  const now = Date.now() / 1000;
  const to = run.to ?? now;
  const start = Math.min(run.from, ...run.spans.map(({ from }) => from));
  const [input, output] = [run.input, run.output].map(formatNumber);
  const figures = t("trace-run", { time: formatElapsed(to - run.from), input, output });
  const state = run.to ? badge(run.reason, run.reason === "done" ? "ok" : "warn") : badge(t("state-running"), "ok");
  const rows = run.spans.slice(0, SPANS).map((span) => spanRow(session, span, start, Math.max(to - start, 1e-6), now));
  const list = h("ol", { class: "waterfall", "aria-label": figures }, rows);
  return card(formatMoment(run.from), h("p", { class: "remarks" }, state, " ", figures), list);
}

function spanRow(session, { kind, name, from, to, seq, bad, tokens }, start, whole, now) {
  const length = (to ?? now) - from;
  const bar = h("i", { class: "bar-of", dataset: { kind, bad } });
  bar.style.left = `${(100 * (from - start)) / whole}%`;
  bar.style.width = `${Math.max(0.4, (100 * length) / whole)}%`;
  const [input, output] = [tokens?.input ?? 0, tokens?.output ?? 0].map(formatNumber);
  const said = tokens ? t("trace-tokens", { input, output }) : "";
  const label = [t(`trace-${kind}`), legible(oneLine(name, 60))].filter(Boolean).join(" · ");
  const failed = bad && h("span", { class: "unseen" }, t("tool-error"));
  const link = h("a", { href: `#/s/${session}/timeline/${seq}` }, label, failed);
  const figure = h("span", { class: "figure" }, [formatElapsed(length), said].filter(Boolean).join(" · "));
  return h("li", null, link, h("span", { class: "track", "aria-hidden": "true" }, bar), figure);
}
