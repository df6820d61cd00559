// What waits for a person's yes, in all sessions, and what was allowed for good.

import { button, formatMoment, h, legible, Page, t } from "../kit.js";
import { ApprovalCard } from "./approval.js";

const TICK_MS = 200;

export class ApprovalList extends Page {
  #cards = new Map();

  constructor(app, name) {
    super(app, name);
    this.list = h("div", { class: "asked-list" });
    this.none = h("p", { class: "none" }, t("approvals-none"));
    this.grants = h("ul", { class: "grants" });
    const about = h("p", { class: "remarks" }, t("grants-text"));
    this.granted = h("section", { class: "granted", hidden: true }, h("h2", null, t("grants")), about, this.grants);
    this.put(this.list, this.none, this.granted);
    this.timer = setInterval(() => this.#cards.forEach((card) => card.tick()), TICK_MS);
  }

  update() {
    const { approvals } = this.app;
    const waiting = new Map(approvals.items.map((item) => [item.approval.id, item]));
    for (const [id, card] of this.#cards) if (!waiting.has(id)) this.#drop(id, card);
    for (const { session, approval } of approvals.items) {
      const card = this.#cards.get(approval.id) ?? this.#add(session, approval.id);
      card.place.textContent = this.app.sessions.find(session)?.title || t("untitled");
      card.draw(asPart(approval));
    }
    this.none.hidden = waiting.size > 0;
    const known = `${approvals.mayAnswer} ${[...waiting.keys()]} ${this.app.rpc.state}`;
    if (this.known === known || this.app.rpc.state !== "open") return;
    this.known = known;
    this.refresh();
  }

  /** What is allowed may have changed whenever a question is gone. */
  async load() {
    const { grants } = await this.app.rpc.call("grant.list");
    this.granted.hidden = !grants.length;
    this.grants.replaceChildren(...grants.map((granted) => this.#grant(granted)));
  }

  #grant({ id, agent, grant, by, at }) {
    const forget = this.app.approvals.mayAnswer && button(t("grant-forget"), () => this.#forget(id));
    const given = t("grant-given", { agent, by: legible(by), when: formatMoment(at) });
    const text = h("pre", { class: "call", dir: "ltr" }, grantText(grant));
    return h("li", null, h("div", null, text, h("small", null, given)), forget);
  }

  async #forget(grant) {
    await this.call("grant.remove", { grant });
    await this.refresh();
    this.focus();
  }

  #add(session, id) {
    const place = h("a", { class: "place", href: `#/s/${session}` });
    const card = new ApprovalCard(this.app.approvals, { place });
    this.#cards.set(id, card);
    this.list.append(card.element);
    return card;
  }

  #drop(id, card) {
    this.#cards.delete(id);
    const hadFocus = card.element.contains(document.activeElement);
    card.element.remove();
    if (hadFocus) this.focus();
  }

  close() { clearInterval(this.timer); }
}

function grantText({ tool, arguments: given = {}, whole = false, site = "", files = null }) {
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${text(value)}`);
  if (site) lines.push(t("grant-site", { site }));
  if (!whole) lines.push(t("grant-else"));
  if (files && Object.keys(files).length) lines.push(t("grant-files", { files: Object.keys(files).join(", ") }));
  return legible([tool, ...lines].join("\n"));
}

const asPart = ({ expires_at: expiresAt, origins = [], ...asked }) => ({ ...asked, origins, expiresAt, given: null });
