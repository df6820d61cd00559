// A conversation on screen: each item drawn once and touched again only when its `rev` grows.

import { callSummary, copyOnClick, formatClock, formatElapsed, formatExact, formatNumber, formatUsd } from "../kit.js";
import { badge, h, icon, iconButton, legible, linkButton, prettyJson, renew, t } from "../kit.js";
import { MarkdownStream } from "../markdown.js";
import { ApprovalCard, originChips } from "./approval.js";
import { drawFiles } from "./attachments.js";

const WINDOW = 120;
const TICK_MS = 200;
const SIGNS = { writing: "pen", waiting: "clock", asking: "hand", done: "check", error: "warn", refused: "close" };

export class Conversation {
  #views = new Map();
  #window;
  #last = [];
  #timer = 0;

  /** `actions` are what a person can do here: `again()`, `retry(key)`, `discard(key)`, `vouch()`, `edit(item)`,
   * `replay(item)`, and `approvals` to answer with; `costs` are what runs cost, and `forks(item)` the sessions that
   * were copied before a message. Without any, it is the past. */
  constructor(actions = null, window = WINDOW) {
    this.#window = window;
    this.actions = { ...actions, reveal: (origin) => this.#reveal(origin) };
    this.isPast = actions === null;
    this.element = h("div", { class: this.isPast ? "conversation past" : "conversation" });
    this.earlier = h("button", { type: "button", class: "quiet earlier", onclick: () => this.#showEarlier() });
    this.working = h("div", { class: "working" }, span("pulse"), span("what"));
  }

  /** Show the items of a view, then what waits, then `pending`: entries of the outbox. */
  draw(view, pending = []) {
    const arrived = new Set([...view.waiting, ...view.items].map((item) => item.key).filter(Boolean));
    const sending = pending.filter(({ key }) => !arrived.has(key));
    const speakers = [...view.items, ...view.waiting].filter(({ type }) => type === "user").map(speakerOf);
    this.element.classList.toggle("several", new Set(speakers).size > 1);
    this.#last = [view, pending];
    const items = view.items.slice(-this.#window);
    const hidden = view.items.length - items.length;
    const wanted = items.map((item) => this.#viewOf(item, item).element);
    if (hidden) {
      this.earlier.textContent = t("earlier", { count: formatNumber(hidden) });
      wanted.unshift(this.earlier);
    }
    if (view.run) wanted.push(this.#workingOn(view));
    wanted.push(...view.waiting.map((item) => this.#viewOf(item, item).element));
    const asItem = (entry) => ({ type: "user", pending: entry, text: entry.text, attachments: entry.attachments });
    wanted.push(...sending.map((entry) => this.#viewOf(entry.key, asItem(entry)).element));
    this.#place(wanted);
    this.#tick(view.run !== null && !this.isPast);
  }

  #viewOf(key, item) {
    let view = this.#views.get(key);
    if (!view) this.#views.set(key, (view = new DRAWN[item.type](this.actions)));
    if (item.pending || view.rev !== item.rev) view.draw(item);
    view.rev = item.rev;
    return view;
  }

  #place(wanted) {
    const keep = new Set(wanted);
    for (const child of [...this.element.children]) if (!keep.has(child)) child.remove();
    wanted.forEach((element, index) => {
      const there = this.element.children[index];
      if (there !== element) this.element.insertBefore(element, there ?? null);
    });
    for (const [key, view] of this.#views) if (!keep.has(view.element)) this.#views.delete(key);
  }

  #workingOn(view) {
    const tool = [...view.calls.values()].find((call) => call.tool.state === "running")?.tool;
    const part = view.live?.parts.at(-1);
    const otherwise = part?.type === "thinking" ? "working-thinking" : "working";
    const what = view.approvals.size ? "working-asking" : tool ? "working-tool" : otherwise;
    this.working.lastChild.textContent = t(what, { tool: tool?.name });
    this.working.classList.toggle("writing", part?.type === "text");
    return this.working;
  }

  /** Draw everything again, as something beside the view has changed. */
  redraw() {
    for (const view of this.#views.values()) view.rev = -1;
    if (this.#last.length) this.draw(...this.#last);
  }

  /** The first question that is open here, as it stands on screen. */
  get asking() { return this.element.querySelector(".approval[data-state=open]"); }

  /** Show the call or the message that brought something in. */
  #reveal({ kind, name = "" }) {
    const [view] = this.#last;
    const source = view.origins.find((known) => known.kind === kind && known.name === name)?.source;
    if (!source) return;
    const find = () => this.element.querySelector(`[data-source="${CSS.escape(source)}"]`);
    while (!find() && this.earlier.isConnected) this.#showEarlier();
    const found = find();
    if (!found) return;
    if (found.matches("details")) found.open = true;
    found.scrollIntoView({ block: "center" });
    found.classList.add("found");
    found.addEventListener("animationend", () => found.classList.remove("found"), { once: true });
    (found.querySelector("summary") ?? found).focus({ preventScroll: true });
  }

  #showEarlier() {
    this.#window += 4 * WINDOW;
    this.draw(...this.#last);
  }

  #tick(running) {
    clearInterval(this.#timer);
    if (running) this.#timer = setInterval(() => this.#views.forEach((view) => view.tick?.()), TICK_MS);
  }

  close() { clearInterval(this.#timer); }
}

const stamp = (at) => h("time", { title: formatExact(at) }, formatClock(at));
const span = (name, ...content) => h("span", { class: name }, content);
const clocked = (key) => [icon("clock", 13), t(key)];
const warned = (tag, text) => h(tag, { class: "warning" }, icon("warn", 13), text);
const speakerOf = ({ trust, name }) => `${trust} ${name}`;
const block = (name) => h("pre", { tabindex: 0, "aria-label": t(name) });

class UserItem {
  constructor(actions) {
    this.actions = actions;
    this.element = h("article", { class: "user", tabindex: -1 });
  }

  draw(item) {
    const { id, text, at, name, trust, waiting, pending, attachments, marks } = item;
    if (id) this.element.dataset.source = id;
    const role = name && trust !== "known" && badge(t(`trust-${trust}`), trust === "owner" ? "ok" : "warn");
    const label = h("h2", { class: "who-said" }, h("bdi", null, name ? legible(name) : t("you")), " ", role);
    const isKept = !pending && !waiting;
    const state = isKept ? [this.#again(item), stamp(at)] : pending ? this.#sending(pending) : clocked("queued");
    this.element.classList.toggle("waiting", Boolean(waiting || pending));
    this.element.classList.toggle("failed", Boolean(pending?.error));
    const files = drawFiles(attachments);
    const warning = marks?.length && warned("p", t("marked", { marks: marks.join(", ") }));
    const foot = h("footer", null, this.#forks(item), state);
    renew(this.element, label, files, h("div", { class: "bubble", dir: "auto" }, text), warning, foot);
  }

  #again(item) {
    const { edit, replay } = this.actions;
    if (!edit || !item.id) return null;
    const act = (sign, label, action) => iconButton(sign, t(label), () => action(item));
    return h("span", { class: "acts" }, act("pen", "edit-again", edit), act("model", "replay", replay));
  }

  #forks(item) {
    const said = (title) => [icon("fork", 13), t("asked-otherwise", { title: title || t("untitled") })];
    const link = ({ id, title }) => h("a", { class: "link", href: `#/s/${id}` }, said(title));
    return (this.actions.forks?.(item) ?? []).map(link);
  }

  #sending({ key, error, offline }) {
    if (!error) return offline ? clocked("offline-queued") : t("sending");
    const act = (name) => linkButton(t(name), () => this.actions[name](key));
    const why = h("span", { class: "why", role: "alert" }, t("send-failed", { why: error }));
    return [why, act("retry"), act("discard")];
  }
}

class AnswerItem {
  parts = [];

  constructor(actions) {
    this.actions = actions;
    this.body = h("div", { class: "parts" });
    this.rests = h("div", { class: "rests", hidden: true });
    this.foot = h("footer", null);
    const label = h("h2", { class: "unseen" }, t("answered"));
    this.element = h("article", { class: "answer" }, label, this.body, this.rests, this.foot);
  }

  draw(item) {
    item.parts.forEach((part, index) => {
      let drawn = this.parts[index];
      if (drawn?.type !== part.type) {
        const fresh = new PARTS[part.type](this.actions);
        if (drawn) drawn.element.replaceWith(fresh.element);
        else this.body.append(fresh.element);
        this.parts[index] = drawn = fresh;
        drawn.type = part.type;
      }
      if (drawn.rev !== part.rev || drawn.live !== item.live) drawn.draw(part, item);
      Object.assign(drawn, { rev: part.rev, live: item.live });
    });
    for (const extra of this.parts.splice(item.parts.length)) extra.element.remove();
    this.element.classList.toggle("live", Boolean(item.live));
    this.#drawRests(item);
    this.#drawFoot(item);
  }

  /** Words of the model that may be the words of others, and whose. */
  #drawRests({ parts, origins = [] }) {
    const speaks = parts.some((part) => part.type === "text" && part.text.trim());
    this.rests.hidden = !speaks || !origins.length;
    if (this.rests.hidden || this.origins === origins) return;
    this.origins = origins;
    const { approvals, reveal, vouch } = this.actions;
    const act = approvals?.mayAnswer && linkButton(t("vouch"), vouch);
    this.rests.replaceChildren(h("span", null, t("rests-on")), originChips(origins, reveal), act || "");
  }

  tick() {
    for (const part of this.parts) part.tick?.();
  }

  #drawFoot({ live, cut, at, parts, model, usage, stop, run, ends }) {
    const text = parts.filter(({ type }) => type === "text").map((part) => part.text).join("\n\n");
    const warning = cut ? t("cut") : stop === "length" || stop === "filtered" ? t(stop) : "";
    const said = warning && warned("span", warning);
    if (live || !text.trim() || parts.some((part) => part.type === "tool")) return void renew(this.foot, said);
    const copy = iconButton("copy", t("copy-answer"));
    copyOnClick(copy, () => text, (isDone) => icon(isDone ? "check" : "copy", 15));
    const tokens = (usage?.output ?? 0) > 0 ? t("tokens", { count: formatNumber(usage.output) }) : "";
    const cost = ends && costOf(this.actions.costs?.[run]);
    renew(this.foot, said, copy, stamp(at), h("span", null, model), h("span", null, tokens), cost);
  }
}

/** What a run cost, as far as that is known. */
function costOf(tally) {
  if (!tally || (!tally.cost_usd && !tally.unpriced)) return null;
  const text = tally.unpriced ? t("cost-unknown") : `${tally.estimated ? "≈ " : ""}${formatUsd(tally.cost_usd)}`;
  const [calls, input, output] = [tally.calls, tally.input, tally.output].map(formatNumber);
  return h("span", { class: "cost", title: t("turn-cost", { calls, input, output }) }, text);
}

class TextPart {
  constructor() {
    this.element = h("div", { class: "markdown", dir: "auto" });
    this.stream = new MarkdownStream(this.element);
  }

  draw({ text }) { this.stream.set(text); }
}

class ThinkingPart {
  constructor() {
    this.title = h("span", null);
    this.text = h("div", { class: "thought", dir: "auto" });
    this.element = h("details", { class: "thinking" }, h("summary", null, icon("chevron", 15), this.title), this.text);
  }

  draw({ text }, { live }) {
    this.title.textContent = t(live ? "thinking" : "thought");
    this.text.textContent = text;
    this.element.hidden = !text;
  }
}

class ToolPart {
  constructor({ approvals = null, reveal }) {
    Object.assign(this, { approvals, reveal });
    [this.sign, this.name, this.about, this.time] = ["sign", "name", "about", "elapsed"].map((name) => span(name));
    [this.asked, this.output] = [block("arguments"), block("output")];
    const head = h("summary", null, this.sign, this.name, this.about, this.time, icon("chevron", 15));
    const asked = [h("h3", null, t("arguments")), this.asked];
    const inside = h("div", { class: "inside" }, asked, h("h3", null, t("output")), this.output);
    this.row = h("details", { class: "tool" }, head, inside);
    this.element = h("div", { class: "step" }, this.row);
  }

  draw(part) {
    const { id, state, name, result, progress } = part;
    if (state === "running") this.since ??= performance.now();
    this.part = part;
    Object.assign(this.row.dataset, { state, source: id });
    this.sign.replaceChildren(state === "running" ? h("span", { class: "spinner" }) : icon(SIGNS[state] ?? "stop", 15));
    this.name.textContent = name;
    this.about.textContent = callSummary(part.arguments);
    this.asked.textContent = prettyJson(part.arguments);
    this.output.textContent = result || progress || (state === "done" ? t("no-output") : t(`tool-${state}`));
    this.output.classList.toggle("empty", !result && !progress);
    if (state === "running") this.output.scrollTop = this.output.scrollHeight;
    this.#drawApproval(part);
    this.tick();
  }

  /** While a person is asked, the card takes the place of the line, which may show only a part of the call. */
  #drawApproval({ approval, state }) {
    this.row.hidden = state === "asking";
    if (!approval) return;
    this.card ??= new ApprovalCard(this.approvals, { reveal: this.reveal });
    if (!this.card.element.isConnected) this.element.append(this.card.element);
    this.card.draw(approval);
  }

  tick() {
    const { state, elapsed } = this.part;
    const running = state === "running";
    const seconds = running ? (performance.now() - this.since) / 1000 : elapsed;
    const time = running || elapsed ? formatElapsed(seconds) : "";
    this.time.textContent = [state === "done" || running ? "" : t(`tool-${state}`), time].filter(Boolean).join(" · ");
    this.card?.tick();
  }
}

const PARTS = { text: TextPart, thinking: ThinkingPart, tool: ToolPart };

class NoticeItem {
  constructor({ again }) {
    this.again = again;
    this.element = h("article", { class: "notice" });
  }

  draw({ tone, code, detail: said, budget, summary, facts }) {
    const detail = budget ? budgetText(budget) : said;
    const todo = t(`todo-${code}`);
    const isChoice = ["model", "effort"].includes(code);
    const byPerson = code === "cancelled" && detail === "stopped on request";
    const known = facts?.length ? h("ul", null, facts.map((fact) => h("li", null, fact))) : null;
    const more = summary && h("details", null, h("summary", null, t("summed-up")), h("p", null, summary), known);
    const canRepeat = this.again && code === "failed";
    this.element.className = `notice ${tone}`;
    if (tone === "error") this.element.setAttribute("role", "alert");
    const title = h("strong", null, t(`notice-${code === "cancelled" && !byPerson ? "stopped" : code}`, { detail }));
    const why = detail && !byPerson && !isChoice && h("p", null, detail);
    const remedy = todo !== `todo-${code}` && h("p", { class: "todo" }, todo);
    const repeat = canRepeat ? h("button", { type: "button", class: "button", onclick: this.again }, t("retry")) : "";
    const told = h("div", null, title, why || null, remedy, more);
    renew(this.element, icon(tone === "info" ? "info" : "warn", 16), told, repeat);
  }
}

const budgetText = ({ spent, limit, ...rest }) =>
  t("budget-reached", { ...rest, spent: formatUsd(spent), limit: formatUsd(limit) });

const DRAWN = { user: UserItem, answer: AnswerItem, notice: NoticeItem };
