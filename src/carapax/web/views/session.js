// One session: its name, and either its conversation or its timeline.

import { h, icon, iconButton, onFrame } from "../dom.js";
import { formatNumber, formatUsd } from "../format.js";
import { t } from "../strings.js";
import { Chat } from "./chat.js";
import { exportSession, renameSession } from "./sessions.js";
import { Timeline } from "./timeline.js";

const NOT_FOUND = -32004;
const MODEL_MS = 600_000;
const TABS = { chat: Chat, timeline: Timeline };

export class Session {
  constructor(app, id) {
    this.app = app;
    this.id = id;
    this.feed = app.feed(id);
    this.title = h("h1", null);
    this.meta = h("span", { class: "meta" });
    this.cost = h("a", { class: "cost", href: "#/costs", hidden: true });
    this.tabs = h("nav", { class: "tabs", "aria-label": t("view-chat") });
    this.bar = h(
      "header",
      { class: "bar" },
      app.menuButton(),
      h("div", { class: "heading" }, this.title, this.meta),
      iconButton("pen", t("rename"), () => renameSession(app, id, this.title.textContent), { class: "not-phone" }),
      iconButton("end", t("end-session"), () => this.#end(), { class: "not-phone" }),
      this.tabs,
    );
    this.element = h("div", { class: "session" }, this.bar);
    this.#addCommands();
    this.onChange = () => this.#changed();
    this.update = onFrame(() => this.#update());
    this.feed.addEventListener("change", this.onChange);
    this.feed.open();
  }

  /** Show a tab; `seq` is the place in the timeline. */
  show(name, seq) {
    if (this.name !== name) {
      this.tab?.close();
      this.tab?.element.remove();
      this.name = name;
      this.tab = new TABS[name](this.app, this.feed);
      this.tab.element.addEventListener("counted", ({ detail }) => this.#count(detail));
      this.element.append(this.tab.element);
    }
    this.tab.go?.(seq);
    this.tabs.replaceChildren(this.#tab("chat", "chat", ""), this.#tab("timeline", "clock", "/timeline"));
    this.update();
  }

  #tab(name, sign, path) {
    return h(
      "a",
      { href: `#/s/${this.id}${path}`, "aria-current": this.name === name ? "page" : null, title: t(`view-${name}`) },
      icon(sign, 16),
      h("span", null, t(`view-${name}`)),
    );
  }

  #changed() {
    if (this.feed.problem) {
      this.element.replaceChildren(this.bar, missing(this.feed.problem));
      return;
    }
    if (this.tab && !this.tab.element.isConnected) this.element.replaceChildren(this.bar, this.tab.element);
    const { run, title, ended } = this.feed.view;
    const listed = `${run?.id} ${title} ${ended}`;
    if (this.listed !== listed) {
      this.listed = listed;
      this.app.sidebar.draw();
      this.app.sessions.refresh();
    }
    this.update();
  }

  #update() {
    const { view } = this.feed;
    const info = this.app.sessions.find(this.id);
    const title = info?.title || view.title || t("untitled");
    this.title.textContent = title;
    this.title.title = title;
    this.app.entitle(title);
    const agent = this.app.agents.find(({ name }) => name === view.agent);
    const model = [view.model, agent?.model].find((name) => name && name !== "auto") ?? "";
    this.meta.replaceChildren(this.app.called(view.agent), ...this.app.modelBadge(model, agent), this.cost, view.forkedFrom ? origin(view) : "");
    this.tab?.update();
  }

  /** What the session cost so far, given what its runs did. */
  #count(runs) {
    const sum = (name) => runs.reduce((total, run) => total + run[name], 0);
    const [calls, input, output] = ["calls", "input", "output"].map((name) => formatNumber(sum(name)));
    this.cost.textContent = formatUsd(sum("cost_usd"));
    this.cost.title = t("session-cost", { calls, input, output });
    this.cost.hidden = sum("cost_usd") === 0;
  }

  /** What can be done with the session that is shown, in the palette. */
  #addCommands() {
    const { app, id } = this;
    const shown = () => app.view === this;
    const add = (name, sign, run) => app.commands.add({ id: name, icon: sign, label: t(name), shown, run });
    add("rename-session", "pen", () => renameSession(app, id, this.title.textContent));
    add("export-session", "down", () => exportSession(app, id, this.title.textContent));
    add("compact-session", "model", () => this.#compact());
    add("end-session", "end", () => this.#end());
  }

  async #compact() {
    const done = await this.app.attempt("session.compact", { session: this.id }, MODEL_MS);
    if (!done) return;
    const [before, after] = [done.tokens_before, done.tokens_after].map(formatNumber);
    this.app.toast(t("compacted", { before, after }));
  }

  async #end() {
    if (await this.app.ask(t("end-session"), h("p", null, t("end-sure")), t("end-session"))) {
      await this.app.attempt("session.end", { session: this.id });
    }
  }

  escape() {
    return this.tab?.escape?.() ?? false;
  }

  focus() {
    this.tab?.focus?.();
  }

  close() {
    this.feed.removeEventListener("change", this.onChange);
    this.feed.close();
    this.tab?.close();
  }
}

export function missing({ code, message }) {
  const title = h("h2", null, t(code === NOT_FOUND ? "not-found" : "not-shown"));
  return h("div", { class: "missing" }, title, h("p", null, message), h("a", { class: "button", href: "#/" }, t("new-session")));
}

function origin({ forkedFrom, forkedAt: seq }) {
  const href = `#/s/${forkedFrom}/timeline/${seq}`;
  return h("a", { href, title: t("forked-from", { seq }) }, icon("fork", 13), t("forked", { seq }));
}
