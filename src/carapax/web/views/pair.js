// Two sessions side by side, both going on; on a phone one above the other.

import { h } from "../dom.js";
import { t } from "../strings.js";
import { Chat } from "./chat.js";
import { missing } from "./session.js";

export class Pair {
  constructor(app, sessions) {
    this.panes = sessions.map((session) => new Pane(app, session));
    const title = h("h1", null, t("pair"));
    this.element = h(
      "div",
      { class: "session" },
      h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, title)),
      h("div", { class: "pair" }, this.panes.map(({ element }) => element)),
    );
    app.entitle(t("pair"));
  }

  update() {
    for (const pane of this.panes) pane.update();
  }

  escape() {
    return this.panes.some(({ chat }) => chat.element.contains(document.activeElement) && chat.escape());
  }

  focus() {
    this.panes[0].chat.focus();
  }

  close() {
    for (const pane of this.panes) pane.close();
  }
}

class Pane {
  constructor(app, session) {
    this.app = app;
    this.feed = app.feed(session);
    this.chat = new Chat(app, this.feed);
    this.title = h("a", { href: `#/s/${session}` });
    this.model = h("span", { class: "meta" });
    this.element = h("section", null, h("h2", { class: "caption" }, this.title, this.model), this.chat.element);
    this.onChange = () => this.update();
    this.feed.addEventListener("change", this.onChange);
    this.feed.open();
  }

  update() {
    const { view, session, problem } = this.feed;
    if (problem) this.chat.element.replaceWith(missing(problem));
    this.title.textContent = this.app.sessions.find(session)?.title || view.title || t("untitled");
    this.model.replaceChildren(...this.app.modelBadge(view.model, this.app.agents.find(({ name }) => name === view.agent)));
    this.chat.update();
  }

  close() {
    this.feed.removeEventListener("change", this.onChange);
    this.feed.close();
    this.chat.close();
  }
}
