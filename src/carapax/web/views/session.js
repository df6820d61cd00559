// One session: its name, and either its conversation or its timeline; or two side by side.

import { confirmed, formatNumber, formatUsd, h, icon, iconButton, onFrame, renew, t, topBar } from "../kit.js";
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
    this.title = h("h1", { dir: "auto" });
    this.meta = h("span", { class: "meta" });
    this.cost = h("a", { class: "cost", href: "#/costs", hidden: true });
    this.tabs = h("nav", { class: "tabs", "aria-label": t("view-chat") });
    const act = (sign, label, action) => iconButton(sign, t(label), action, { class: "not-phone" });
    const rename = act("pen", "rename", () => this.#rename());
    const end = act("end", "end-session", () => this.#end());
    this.bar = topBar(app, [this.title, this.meta], rename, end, this.tabs);
    this.element = h("div", { class: "session", "aria-busy": "true" }, this.bar);
    this.#addCommands();
    this.onChange = () => this.#changed();
    this.update = onFrame(() => this.#update());
    this.feed.open(this.onChange);
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
    const label = t(`view-${name}`);
    const current = this.name === name ? "page" : null;
    const given = { href: `#/s/${this.id}${path}`, "aria-current": current, title: label };
    return h("a", given, icon(sign, 16), h("span", null, label));
  }

  #changed() {
    if (this.feed.problem) {
      this.element.ariaBusy = null;
      return void this.element.replaceChildren(this.bar, missing(this.feed.problem));
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
    Object.assign(this.title, { textContent: title, title });
    this.app.entitle(title);
    const agent = this.app.agents.find(({ name }) => name === view.agent);
    const model = [view.model, agent?.model].find((name) => name && name !== "auto") ?? "";
    const who = h("span", { dir: "auto" }, this.app.called(view.agent));
    renew(this.meta, who, this.app.modelBadge(model, agent), this.cost, view.forkedFrom && origin(view));
    this.tab?.update();
    if (this.feed.loaded) this.element.ariaBusy = null;
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
    add("rename-session", "pen", () => this.#rename());
    add("export-session", "down", () => exportSession(app, id, this.title.textContent));
    add("compact-session", "model", () => this.#compact());
    add("end-session", "end", () => this.#end());
  }

  #rename() { return renameSession(this.app, this.id, this.title.textContent); }

  async #compact() {
    const done = await this.app.attempt("session.compact", { session: this.id }, MODEL_MS);
    if (!done) return;
    const [before, after] = [done.tokens_before, done.tokens_after].map(formatNumber);
    this.app.toast(t("compacted", { before, after }));
  }

  async #end() {
    if (!(await confirmed(this.app, t("end-session"), t("end-sure"), t("end-session")))) return;
    await this.app.attempt("session.end", { session: this.id });
  }

  escape() { return this.tab?.escape?.() ?? false; }
  focus() { this.tab?.focus?.(); }

  close() {
    this.feed.close(this.onChange);
    this.tab?.close();
  }
}

function missing({ code, message }) {
  const title = h("h2", null, t(code === NOT_FOUND ? "not-found" : "not-shown"));
  const link = h("a", { class: "button", href: "#/" }, t("new-session"));
  return h("div", { class: "missing" }, title, h("p", null, message), link);
}

function origin({ forkedFrom, forkedAt: seq }) {
  const href = `#/s/${forkedFrom}/timeline/${seq}`;
  return h("a", { href, title: t("forked-from", { seq }) }, icon("fork", 13), t("forked", { seq }));
}

export class Pair {
  constructor(app, sessions) {
    this.panes = sessions.map((session) => new Pane(app, session));
    const bar = topBar(app, h("h1", null, t("pair")));
    const panes = h("div", { class: "pair" }, this.panes.map(({ element }) => element));
    this.element = h("div", { class: "session" }, bar, panes);
    app.entitle(t("pair"));
  }

  update() {
    for (const pane of this.panes) pane.update();
  }

  escape() {
    return this.panes.some(({ chat }) => chat.element.contains(document.activeElement) && chat.escape());
  }

  focus() { this.panes[0].chat.focus(); }

  close() {
    for (const pane of this.panes) pane.close();
  }
}

class Pane {
  constructor(app, session) {
    this.app = app;
    this.feed = app.feed(session);
    this.chat = new Chat(app, this.feed);
    this.title = h("a", { href: `#/s/${session}`, dir: "auto" });
    this.model = h("span", { class: "meta" });
    this.element = h("section", null, h("h2", { class: "caption" }, this.title, this.model), this.chat.element);
    this.onChange = () => this.update();
    this.feed.open(this.onChange);
  }

  update() {
    const { view, session, problem } = this.feed;
    const title = this.app.sessions.find(session)?.title || view.title || t("untitled");
    const agent = this.app.agents.find(({ name }) => name === view.agent);
    if (problem) this.chat.element.replaceWith(missing(problem));
    this.title.textContent = title;
    renew(this.model, this.app.modelBadge(view.model, agent));
    this.chat.update();
  }

  close() {
    this.feed.close(this.onChange);
    this.chat.close();
  }
}
