// The question whether a call may run: a card with buttons, and one line once it is answered.

import { formatClock, formatExact, formatLeft, h, icon, legible, svg, t } from "../kit.js";

const STILL_MS = 600;
const SOON_S = 30;
const MANY = 6;
const SIGNS = { web: "globe", file: "file", stranger: "person", tool: "tool", agent: "chat" };
const DENY = { verdict: "deny" };
const ONCE = { verdict: "allow" };

/** Where something comes from that was read, each a chip; `onpick(origin)` makes them buttons. */
export function originChips(origins, onpick = null) {
  const chips = origins.map((origin) => h("li", null, originChip(origin, onpick)));
  if (chips.length <= MANY) return h("ul", { class: "origins" }, chips);
  const rest = h("ul", { class: "origins" }, chips.slice(MANY));
  const more = h("summary", null, t("origins-more", { count: chips.length - MANY }));
  return h("div", null, h("ul", { class: "origins" }, chips.slice(0, MANY)), h("details", null, more, rest));
}

function originChip(origin, onpick) {
  const { kind, name = "" } = origin;
  const isPage = kind === "web" && name.includes("://");
  const label = t(`origin-${kind === "web" && !isPage ? "outside" : kind === "file" && !name ? "files" : kind}`);
  const attributes = { class: "origin", title: legible(`${label} ${name}`.trim()) };
  const what = name && h("span", { class: "unseen" }, label);
  const content = [icon(SIGNS[kind] ?? "info", 13), what, h("bdi", null, legible(name) || label)];
  if (!onpick) return h("span", attributes, content);
  return h("button", { ...attributes, type: "button", onclick: () => onpick(origin) }, content);
}

/** `approvals` answers, and knows the gateway's time; without it, the question is of the past. `reveal(origin)` shows
 * what brought something; `place` is a node that says where it was asked, where that is not plain. */
export class ApprovalCard {
  #still = { place: "", since: 0 };
  #drawn = "";

  constructor(approvals, { reveal = null, place = "" } = {}) {
    Object.assign(this, { approvals, reveal, place });
    const onkeydown = (event) => event.repeat && event.key === "Enter" && event.preventDefault();
    this.element = h("section", { class: "approval", onkeydown });
  }

  draw(approval) {
    this.approval = approval;
    const state = approval.given ? "answered" : this.approvals ? "open" : "past";
    const drawn = `${approval.id} ${state} ${this.approvals?.mayAnswer}`;
    if (drawn === this.#drawn) return;
    const isNew = this.element.dataset.id !== approval.id;
    const hadFocus = this.element.contains(document.activeElement);
    this.#drawn = drawn;
    Object.assign(this.element.dataset, { state, id: approval.id });
    if (state === "answered") this.#drawAnswer();
    else this.#drawQuestion();
    if (hadFocus) (this.element.querySelector("summary") ?? this.element).focus();
    else if (isNew && state === "open" && document.activeElement === document.body) {
      const isIdle = () => document.activeElement === document.body;
      requestAnimationFrame(() => isIdle() && this.element.focus({ preventScroll: true }));
    }
  }

  #drawQuestion() {
    const { tool, origins } = this.approval;
    const level = this.place ? [2, 3] : [3, 4]; // in a list of questions, or within an answer
    const named = { id: `asks-${this.approval.id}`, "aria-level": level[0] };
    const title = h("h4", named, t("asks", { tool: legible(tool) }));
    const ring = ringOf();
    this.hand = ring.lastChild;
    this.left = h("span", { class: "left", role: "timer" });
    const time = this.approvals && h("span", { class: "time" }, this.left, ring);
    this.note = h("p", { class: "note", role: "status" });
    this.answers = h("div", { class: "answers" }, this.approvals?.mayAnswer ? this.#answers() : []);
    this.buttons = [...this.answers.querySelectorAll("button")];
    this.#become({ role: "group", "aria-labelledby": title.id, tabindex: "-1" });
    const head = h("header", null, icon("hand", 18), title, this.place, time || "");
    const about = h("h5", { "aria-level": level[1] }, t("has-read"));
    const read = origins.length ? [about, originChips(origins, this.reveal)] : [];
    this.element.replaceChildren(head, this.#why(), this.#call(), ...read, this.note, this.answers);
    if (!this.approvals) this.note.textContent = t("asked-then");
    else if (!this.approvals.mayAnswer) this.note.textContent = t("may-not-answer");
    this.tick();
  }

  /** What the card is to those who do not see it: a question, or nothing but its line. */
  #become(attributes) {
    for (const name of ["role", "aria-labelledby", "tabindex"]) this.element.removeAttribute(name);
    for (const [name, value] of Object.entries(attributes)) this.element.setAttribute(name, value);
  }

  #why() {
    const { reason, rule } = this.approval;
    const name = h("span", { class: "rule" }, legible(rule));
    return h("p", { class: "reason" }, t("because", { reason: legible(reason) }), " ", name);
  }

  /** All of it: nothing is cut, and nothing in it turns the writing around. */
  #call() {
    const given = { class: "call", dir: "ltr", tabindex: 0, "aria-label": t("would-run") };
    return h("pre", given, legible(this.approval.shown));
  }

  /** The safe one first; then what would be covered besides this call, in the gateway's words. */
  #answers() {
    const buttonOf = ({ scope }) => this.#button(scope, { ...ONCE, scope });
    const draw = (offer) => h("p", { class: "offer" }, h("span", null, legible(offer.text)), buttonOf(offer));
    const { offers = [] } = this.approval;
    return [this.#button("deny", DENY, "primary"), this.#button("once", ONCE), ...offers.map(draw)];
  }

  #button(name, answer, kind = "") {
    const given = { type: "button", class: `button ${kind}`, "aria-disabled": "true", dataset: { name } };
    return h("button", { ...given, onclick: () => this.#answer(answer) }, t(`answer-${name}`));
  }

  #drawAnswer() {
    const { given, tool } = this.approval;
    const { verdict, by, at, scope = "once" } = given;
    const said = verdict === "allow" ? scope : verdict === "void" || by ? verdict : "nobody";
    const time = at ? h("time", { title: formatExact(at) }, formatClock(at)) : "";
    const line = t(`answer-was-${said}`, { who: legible(by), tool: legible(tool) });
    this.#become({});
    const sign = icon(verdict === "allow" ? "check" : "close", 14);
    const head = h("summary", null, sign, h("span", null, line), time, icon("chevron", 14));
    const was = h("div", { class: "was" }, this.#why(), this.#call());
    this.element.replaceChildren(h("details", { class: "answered", dataset: { verdict } }, head, was));
  }

  /** Once the card has stood still for a while its buttons work: no click was meant for what stood there before. */
  tick() {
    if (this.element.dataset.state !== "open") return;
    const { expiresAt, at = (this.seen ??= this.approvals.now) } = this.approval;
    const left = Math.max(0, expiresAt - this.approvals.now);
    const text = left ? formatLeft(left) : t("time-over");
    if (this.left.textContent !== text) this.left.textContent = text;
    this.hand.setAttribute("stroke-dashoffset", String(100 - 100 * Math.min(1, left / Math.max(1, expiresAt - at))));
    this.element.classList.toggle("soon", left < SOON_S);
    const works = this.#works();
    for (const button of this.buttons) button.setAttribute("aria-disabled", String(!works));
  }

  #works() { return this.#isStill() && !this.waiting && this.approval.expiresAt > this.approvals.now; }

  #isStill() {
    const { top, left } = this.answers.getBoundingClientRect();
    const place = `${Math.round(left)} ${Math.round(top)}`;
    const now = performance.now();
    if (place !== this.#still.place || document.hidden) this.#still = { place, since: now };
    return now - this.#still.since >= STILL_MS;
  }

  async #answer(answer) {
    const counts = this.#works();
    this.waiting ||= counts;
    this.tick();
    if (!counts) return;
    const problem = await this.approvals.answer(this.approval, answer);
    this.waiting = problem !== "failed";
    if (problem === "late") this.note.textContent = t("answered-before");
  }
}

function ringOf() {
  const about = { viewBox: "0 0 18 18", width: 18, height: 18, class: "ring", "aria-hidden": "true" };
  const shape = { cx: 9, cy: 9, r: 7, pathLength: 100, "stroke-dasharray": 100 };
  return svg("svg", about, ["track", "hand"].map((name) => svg("circle", { ...shape, class: name })));
}
