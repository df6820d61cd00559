// What waits for a person's yes, in all sessions.

import { h } from "../dom.js";
import { t } from "../strings.js";
import { ApprovalCard } from "./approval.js";

const TICK_MS = 200;

export class ApprovalList {
  #cards = new Map();

  constructor(app) {
    this.app = app;
    this.title = h("h1", { tabindex: -1 }, t("screen-approvals"));
    this.list = h("div", { class: "asked-list" });
    this.none = h("p", { class: "none" }, t("approvals-none"));
    this.element = h(
      "div",
      { class: "screen approvals" },
      h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, this.title)),
      h("div", { class: "scroller" }, h("div", { class: "sheet" }, this.list, this.none)),
    );
    this.timer = setInterval(() => this.#cards.forEach((card) => card.tick()), TICK_MS);
    this.update();
  }

  update() {
    const { approvals } = this.app;
    const waiting = new Map(approvals.items.map((item) => [item.approval.id, item]));
    for (const [id, card] of this.#cards) if (!waiting.has(id)) this.#drop(id, card);
    for (const { session, approval } of approvals.items) {
      const card = this.#cards.get(approval.id) ?? this.#add(session, approval.id);
      card.draw(asPart(approval));
    }
    this.none.hidden = waiting.size > 0;
  }

  #add(session, id) {
    const title = this.app.sessions.find(session)?.title || t("untitled");
    const card = new ApprovalCard(this.app.approvals, { place: h("a", { class: "place", href: `#/s/${session}` }, title) });
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

  focus() {
    this.title.focus();
  }

  close() {
    clearInterval(this.timer);
  }
}

const asPart = ({ expires_at: expiresAt, origins = [], ...asked }) => ({ ...asked, origins, expiresAt, given: null });
