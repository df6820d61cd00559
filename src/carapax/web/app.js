// The page: opens the connection, reads the address, puts the views in their places.

import { Approvals } from "./approvals.js";
import { standing } from "./auth.js";
import { Feed } from "./feed.js";
import { attempt } from "./kept.js";
import { KillSwitch } from "./killswitch.js";
import { closed, h, icon, iconButton, openDialog, t } from "./kit.js";
import { Outbox } from "./outbox.js";
import { Connection, leave, Offline } from "./rpc.js";
import { SCREENS } from "./screens.js";
import { SessionList } from "./sessions.js";
import { Palette } from "./views/palette.js";
import { Pair, Session } from "./views/session.js";
import { Sidebar } from "./views/sidebar.js";
import { SignIn } from "./views/signin.js";
import { Welcome } from "./views/welcome.js";

const SETUP = "#/setup";
const KEPT_FEEDS = 8;
const TOAST_MS = 6_000;
const WRITING = "input:not([type=range]), textarea, select";
const SHORTCUTS = [
  ["N", "new-session"],
  ["Ctrl K", "key-search"],
  ["/", "key-focus"],
  ["↑ ↓", "key-list"],
  ["T", "key-timeline"],
  ["Esc", "key-stop"],
  ["?", "key-help"],
];

class App {
  agents = [];
  route = { session: "", screen: "" };
  #feeds = new Map();

  constructor() {
    this.rpc = new Connection();
    this.sessions = new SessionList(this.rpc);
    this.approvals = new Approvals(this);
    this.outbox = new Outbox(this.rpc, (session) => this.route.session || this.feed(session).open());
    this.killSwitch = new KillSwitch(this);
    this.commands = new Palette(this);
    this.sidebar = new Sidebar(this);
    this.main = h("main", { id: "main", tabindex: -1 });
    this.banner = h("div", { class: "banner", role: "status", hidden: true });
    this.live = h("div", { class: "unseen", "aria-live": "polite" });
    this.toasts = h("div", { class: "toasts", role: "alert" });
    this.shade = h("div", { class: "shade", onclick: () => this.toggleDrawer(false) });
    this.shell = h("div", { class: "shell" }, this.sidebar.element, this.shade, this.main);
  }

  start() {
    const skip = h("a", { class: "skip", href: "#main", onclick: (event) => this.#skip(event) }, t("skip"));
    document.getElementById("starting").remove();
    document.body.append(skip, this.banner, this.killSwitch.element, this.shell, this.live, this.toasts);
    this.rpc.addEventListener("state", () => this.#connectionChanged());
    this.sessions.addEventListener("change", () => this.#listChanged());
    this.approvals.addEventListener("change", () => this.#approvalsChanged());
    this.outbox.addEventListener("change", () => this.view?.update());
    this.outbox.addEventListener("created", ({ detail }) => this.#created(detail));
    this.outbox.addEventListener("sent", () => this.sessions.refresh());
    addEventListener("hashchange", () => {
      this.#navigate();
      if (this.signIn || location.hash === SETUP) this.#admit();
    });
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("focus", () => this.#lookAgain());
    for (const kind of ["dragover", "drop"]) addEventListener(kind, keepHere);
    document.addEventListener("problem", ({ detail }) => this.tell(detail));
    this.#addCommands();
    this.sidebar.draw();
    this.shell.hidden = true;
    this.#navigate();
    this.#admit();
    this.rpc.connect();
  }

  #addCommands() {
    const { commands, killSwitch, sidebar } = this;
    const isStopped = () => killSwitch.stop !== null;
    const add = (id, sign, label, run, more = {}) => commands.add({ id, icon: sign, label: t(label), run, ...more });
    add("new", "plus", "new-session", () => (location.hash = "#/"), { keys: "N" });
    add("stop", "halt", "stop-agents", () => killSwitch.pull(), { shown: () => !isStopped() });
    add("release", "check", "release-agents-all", () => killSwitch.release(), { shown: isStopped });
    add("theme", "sun", "change-theme", () => sidebar.nextTheme());
    add("help", "help", "shortcuts", () => this.showShortcuts(), { keys: "?" });
    add("out", "out", "sign-out", () => this.signOut(), { shown: () => !sidebar.signOut.hidden });
  }

  /** The events of a session; the last few stay at hand, so that going back shows them at once. */
  feed(session) {
    const feed = this.#feeds.get(session) ?? new Feed(this.rpc, session);
    this.#feeds.delete(session);
    this.#feeds.set(session, feed);
    if (this.#feeds.size > KEPT_FEEDS) this.#feeds.delete(this.#feeds.keys().next().value);
    return feed;
  }

  /** What is seen to happen counts before what the list said when it was asked last. */
  isRunning({ id, state }) {
    const feed = this.#feeds.get(id);
    return feed?.isLive ? feed.view.run !== null : state === "running";
  }

  /** Call the gateway for a person: what goes wrong is told. */
  async attempt(method, params, ms) {
    try {
      return await this.rpc.call(method, params, ms);
    } catch (error) {
      this.tell(error);
      return null;
    }
  }

  tell(error) { this.toast(error instanceof Offline ? t("offline") : t("went-wrong", { why: error.message })); }

  /** Name the tab; what waits for a person is told there too. */
  entitle(title = this.title) {
    this.title = title;
    const count = this.approvals.items.length;
    const product = title === t("product") ? "" : `· ${t("product")}`;
    document.title = [count ? `(${count})` : "", title, product].filter(Boolean).join(" ");
  }

  /** What people call an agent. */
  called(name) {
    const { emoji = "", title = "" } = this.agents.find((agent) => agent.name === name) ?? {};
    return [emoji, title || name].filter(Boolean).join(" ");
  }

  modelBadge(model, agent) {
    if (!model) return [];
    const isDemo = model === "demo" || model.startsWith("demo/");
    const why = agent?.model_reason ?? this.agents.find((each) => each.model === model)?.model_reason ?? "";
    if (isDemo) return [h("span", { class: "badge", title: t("demo-why", { reason: why }) }, t("demo"))];
    return [h("span", { class: "model-name", title: why }, model)];
  }

  menuButton() {
    const about = { class: "only-phone", "aria-controls": "sidebar" };
    return iconButton("menu", t("open-menu"), () => this.toggleDrawer(true), about);
  }

  toggleDrawer(open) {
    this.shell.classList.toggle("drawer", open);
    if (open) this.sidebar.focus();
  }

  announce(text) { this.live.textContent = text; }

  toast(text) {
    const toast = h("div", { class: "toast" }, icon("warn", 16), text);
    this.toasts.append(toast);
    setTimeout(() => toast.remove(), TOAST_MS);
  }

  /** A question with one answer; whether it was given. */
  async ask(title, content, yes) {
    const no = h("button", { type: "button", class: "button", onclick: () => dialog.close() }, t("cancel"));
    const go = h("button", { class: "button primary", value: "yes" }, yes);
    const dialog = this.#openDialog(title, "", content, no, go);
    content.select?.();
    await closed(dialog);
    return dialog.returnValue === "yes";
  }

  #openDialog(title, name, content, ...buttons) {
    const form = h("form", { method: "dialog" }, h("h2", null, title), content, h("menu", null, buttons));
    return openDialog(title, form, name);
  }

  showShortcuts() {
    const rows = SHORTCUTS.map(([keys, label]) => h("li", null, h("span", null, t(label)), h("kbd", null, keys)));
    const close = h("button", { class: "button" }, t("close"));
    this.#openDialog(t("shortcuts"), "shortcuts", h("ul", null, rows), close);
  }

  signOut() { return this.leave(fetch("logout", { method: "POST" })); }

  /** From here to the new page nothing of this one is seen, nor does anything; that is there once `work` is done. */
  async leave(work) {
    leave();
    this.shell.hidden = true;
    document.body.replaceChildren(h("p", { id: "starting" }, t("product")));
    await Promise.allSettled([work]);
    location.reload();
  }

  #navigate() {
    const found = (pattern) => (pattern.exec(location.hash) ?? []).slice(1);
    const [session = "", tab = "chat", seq] = found(/^#\/s\/([^/]+)(?:\/(timeline)(?:\/(\d+))?)?$/);
    const [screen = "", path = ""] = found(/^#\/(\w+)(?:\/(.*))?$/);
    const pair = found(/^#\/pair\/(\w+)\/(\w+)$/);
    const [model = ""] = found(/^#\/new\/(.+)$/);
    const known = Object.hasOwn(SCREENS, screen) ? screen : "";
    const [id, chosen, place] = [session, model, path].map(decoded);
    this.route = { session: id, tab, seq: Number(seq) || 0, screen: known, path: place, model: chosen, pair };
    const shown = this.route.screen ? `#/${screen}` : model || pair.length ? location.hash : this.route.session;
    if (!this.view || this.view.id !== shown) {
      this.view?.close();
      this.view = this.#open(this.route);
      this.main.replaceChildren(this.view.element);
    }
    this.view.id = shown;
    if (this.route.screen) this.view.show(place);
    else this.view.show?.(tab, this.route.seq);
    if (!session && !pair.length) this.entitle(t(this.route.screen ? `screen-${screen}` : "product"));
    this.toggleDrawer(false);
    this.sidebar.draw();
    this.#focus();
  }

  /** Where it brings up no keyboard on the screen. */
  #focus() {
    if (!matchMedia("(pointer: coarse)").matches) this.view.focus();
  }

  #open({ session, screen, model, pair }) {
    if (pair.length) return new Pair(this, pair);
    if (screen) return this.#openScreen(screen);
    return session ? new Session(this, session) : new Welcome(this, model);
  }

  /** A screen is there at once, and filled as soon as its code is. */
  #openScreen(name) {
    const bar = h("header", { class: "bar" }, this.menuButton());
    const element = h("div", { class: "screen", "aria-busy": "true" }, bar);
    const blank = { element, show() {}, update() {}, focus() {}, close() {} };
    this.#fill(blank, name);
    return blank;
  }

  async #fill(blank, name) {
    const View = await SCREENS[name].load().catch(() => this.tell(new Offline()));
    if (!View || this.view !== blank) return;
    this.view = Object.assign(new View(this, name), { id: blank.id, path: this.route.path });
    this.view.update();
    blank.element.replaceWith(this.view.element);
    this.#focus();
  }

  #created({ session }) {
    if (!this.route.session && !this.route.screen) location.replace(`#/s/${session}`);
  }

  #skip(event) {
    event.preventDefault();
    this.view.focus();
  }

  #approvalsChanged() {
    const count = this.approvals.items.length;
    this.shell.classList.toggle("asked", count > 0);
    this.entitle();
    this.#listChanged();
  }

  #listChanged() {
    this.sidebar.draw();
    this.view?.update();
  }

  async #connectionChanged() {
    const { state } = this.rpc;
    this.banner.hidden = state !== "connecting" || !this.wasOpen;
    this.banner.textContent = t("offline");
    if (state === "unauthorized") await this.#admit();
    if (state === "open") {
      if (!this.wasOpen) this.#offerSetup();
      this.wasOpen = true;
      await Promise.all([this.#admit(), this.loadAgents(), this.#findChannels()]);
    }
    this.view?.update();
  }

  /** A new home opens with its set-up, for whoever may see it. */
  async #offerSetup() {
    const setup = await this.rpc.call("setup.status").catch(() => null);
    const isElsewhere = location.hash === SETUP || this.route.session || this.route.screen;
    if (setup?.wanted && !isElsewhere) location.hash = "#/wizard";
  }

  async #findChannels() {
    const { channels = [], available = [] } = (await this.attempt("channel.list")) ?? {};
    this.hasChannels = channels.length + available.length > 0;
    this.sidebar.draw();
  }

  /** Who comes back from a terminal or another tab sees the agents as they are by now. */
  async #lookAgain() {
    if (this.rpc.state !== "open" || this.shell.hidden) return;
    this.view?.returned?.();
    await this.loadAgents();
    this.view?.update();
  }

  /** The agents as they are now, with the models that were found for them. */
  async loadAgents() {
    const { agents } = (await this.attempt("agent.list")) ?? { agents: this.agents };
    this.agents = await Promise.all(agents.map(({ name }) => this.attempt("agent.status", { agent: name })));
    this.agents = this.agents.filter(Boolean).map((agent) => ({ ...agent, demo: agent.model.startsWith("demo") }));
    this.sidebar.draw();
  }

  /** Show the page to whoever is in, and to others nothing but the way in; to whoever wants it, the setup. */
  async #admit() {
    const known = (this.standing = await standing().catch(() => this.standing ?? { signed_in: true, how: "" }));
    const setup = location.hash === SETUP;
    const outside = setup || !known.signed_in;
    this.sidebar.signOut.hidden = !known.how;
    const wasOutside = this.shell.hidden;
    this.shell.hidden = outside;
    if (!outside) {
      if (wasOutside) this.#focus();
      this.signIn?.close();
      this.signIn = null;
      return;
    }
    this.signIn ??= new SignIn((isNew) => this.#enter(isNew));
    this.signIn.show(known, setup);
  }

  #enter(isNew) {
    this.signIn?.close(); // two ways in may come to their ends together
    this.signIn = null;
    this.wasOpen &&= !isNew;
    if (isNew || location.hash === SETUP) location.replace("#/");
    this.rpc.restart();
  }

  #key(event) {
    if (document.querySelector("dialog[open]") || this.shell.hidden) return;
    const isCommand = event.ctrlKey || event.metaKey;
    const isPalette = isCommand && event.key.toLowerCase() === "k";
    if (event.key === "Escape") return void this.#escape();
    if (!isPalette && (isCommand || event.altKey || event.target.matches(WRITING))) return;
    const action = isPalette ? () => this.commands.open() : KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action(this);
  }

  #escape() {
    if (this.shell.classList.contains("drawer")) this.toggleDrawer(false);
    else if (!this.view.escape?.()) document.activeElement.blur();
  }
}

/** What is dropped where nothing takes it would open in place of the page. */
function keepHere(event) {
  if (event.defaultPrevented || event.target.matches?.(WRITING)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
}

/** A part of the address as it was meant; one that nobody meant stays as it is. */
const decoded = (text) => attempt(() => decodeURIComponent(text)) ?? text;

const KEYS = {
  n: () => (location.hash = "#/"),
  "/": (app) => app.view.focus(),
  "?": (app) => app.showShortcuts(),
  t: ({ route: { session, tab } }) => session && (location.hash = `#/s/${session}${tab === "chat" ? "/timeline" : ""}`),
};

new App().start();
