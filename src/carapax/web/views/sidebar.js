// The ways to everything: a new session, the palette, sessions, screens, theme, signing out. A drawer on a phone.

import { keep, keptJson } from "../kept.js";
import { dayGroup, formatAgo, formatExact, h, icon, iconButton, renew, t } from "../kit.js";
import { GROUPS, SCREENS, shownScreens } from "../screens.js";

const SEARCH_KEYS = navigator.platform.startsWith("Mac") ? "⌘K" : "Ctrl K";
const CLOSED = "carapax.closed-groups";
const LOW = 640;
const THEMES = { auto: "auto", light: "sun", dark: "moon" };

const hint = (keys) => h("kbd", { "aria-hidden": "true" }, keys);

export class Sidebar {
  #links = new Map();

  constructor(app) {
    this.app = app;
    const search = { type: "button", class: "search", "aria-haspopup": "dialog", onclick: () => app.commands.open() };
    this.search = h("button", search, icon("search", 16), t("search"), hint(SEARCH_KEYS));
    const named = { "aria-label": t("screen-sessions") };
    const onkeydown = (event) => this.#arrows(event);
    this.list = h("nav", { class: "sessions", ...named, onkeydown });
    const groups = GROUPS.map((group) => screenGroup(group));
    this.screens = h("nav", { class: "screens", "aria-label": t("screens") }, groups);
    this.theme = iconButton("auto", "", () => this.nextTheme());
    this.stop = iconButton("halt", t("stop-agents"), () => app.killSwitch.pull());
    app.killSwitch.addEventListener("change", () => (this.stop.hidden = app.killSwitch.stop !== null));
    this.signOut = iconButton("out", t("sign-out"), () => app.signOut(), { hidden: true });
    const sign = h("img", { src: "icon.svg", alt: "", width: 22, height: 22 });
    const close = iconButton("close", t("close"), () => app.toggleDrawer(false), { class: "only-phone" });
    const brand = h("div", { class: "brand" }, sign, h("span", null, t("product")), close);
    const anew = { class: "new", href: "#/", "aria-keyshortcuts": "n" };
    const begin = h("a", anew, icon("plus"), t("new-session"), hint("N"));
    const help = iconButton("help", t("shortcuts"), () => app.showShortcuts());
    const foot = h("div", { class: "foot" }, this.theme, help, this.stop, this.signOut);
    const parts = [brand, begin, this.search, this.list, this.screens, foot];
    this.element = h("aside", { class: "sidebar", id: "sidebar", ...named }, parts);
    this.#drawTheme();
    setInterval(() => this.draw(), 60_000);
  }

  focus() { this.search.focus(); }

  draw() {
    const { sessions } = this.app;
    this.#drawScreens();
    this.#count(this.app.approvals.items.length);
    const infos = sessions.items.map((info) => this.#shownOf(info));
    this.#links = new Map(infos.map((info) => [info.id, linkTo(info, this.#links.get(info.id))]));
    const drawn = JSON.stringify([infos.map(({ id, day }) => [id, day]), sessions.loaded, sessions.more]);
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    const groups = Object.groupBy(infos, ({ day }) => day);
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const row = ({ id }) => h("li", null, this.#links.get(id));
    const section = ([name, within]) => h("section", null, h("h2", null, name), h("ul", null, within.map(row)));
    const none = sessions.loaded && !infos.length && h("p", { class: "none" }, t("no-sessions"));
    const onclick = () => sessions.loadMore();
    const more = sessions.more && h("button", { type: "button", class: "quiet", onclick }, t("more-sessions"));
    this.list.replaceChildren(...[...Object.entries(groups).map(section), none, more].filter(Boolean));
    if (focused) this.list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  #drawScreens() {
    const names = shownScreens(this.app);
    for (const link of this.screens.querySelectorAll("a")) {
      const { name } = link.dataset;
      link.hidden = !names.includes(name);
      link.ariaCurrent = name === this.app.route.screen ? "page" : null;
    }
  }

  /** What the list shows of a session. */
  #shownOf(info) {
    const asks = this.app.approvals.of(info.id) > 0;
    return {
      id: info.id,
      title: info.title || t("untitled"),
      day: dayGroup(info.updated_at),
      age: formatAgo(info.updated_at),
      since: formatExact(info.updated_at),
      current: this.app.route.session === info.id,
      ended: info.state === "ended",
      state: asks ? t("asks-here") : this.app.isRunning(info) ? t("state-running") : "",
      asks,
      who: asks ? t("asks-here") : this.app.called(info.agent),
    };
  }

  /** How many questions wait, at the link that leads to them. */
  #count(count) {
    const link = this.screens.querySelector("[data-name=approvals]");
    if (link.dataset.count === String(count)) return;
    link.dataset.count = count;
    link.querySelector(".count")?.remove();
    if (!count) return;
    const label = t("approvals-pending", { count });
    const shown = h("span", { "aria-hidden": "true" }, String(count));
    link.append(h("span", { class: "count", title: label }, shown, h("span", { class: "unseen" }, label)));
  }

  #arrows(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = [...this.list.querySelectorAll("a")];
    const next = links[links.indexOf(document.activeElement) + step];
    event.preventDefault();
    if (next) next.focus();
    else if (step < 0) this.search.focus();
  }

  nextTheme() {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    document.documentElement.dataset.theme = next;
    keep("carapax.theme", next);
    this.#drawTheme();
  }

  #drawTheme() {
    const { theme } = document.documentElement.dataset;
    const label = t("theme", { theme: t(`theme-${theme}`) });
    this.theme.replaceChildren(icon(THEMES[theme]));
    Object.assign(this.theme, { ariaLabel: label, title: label });
  }
}

/** A link stays the same one while its session is listed: a click that began on it, and the focus, are not lost. */
function linkTo({ id, title, age, since, current, ended, state, asks, who }, link = h("a", { href: `#/s/${id}` })) {
  const dot = { class: asks ? "dot asks" : "dot", role: "img", "aria-label": state, title: state };
  Object.assign(link, { ariaCurrent: current ? "page" : null, className: ended ? "ended" : "" });
  const called = h("span", { class: asks && "asks", dir: "auto" }, who);
  const sub = h("span", { class: "sub" }, state && h("span", dot), called, h("time", { title: since }, age));
  renew(link, h("span", { class: "title", dir: "auto" }, title), sub);
  return link;
}

/** Links under a heading that folds them: as it was left, and folded first where there is little height. */
function screenGroup(group) {
  const names = Object.keys(SCREENS).filter((name) => SCREENS[name].group === group);
  const closed = () => ({ ...keptJson(CLOSED) });
  const ontoggle = ({ target }) => keep(CLOSED, JSON.stringify({ ...closed(), [group]: !target.open }));
  const sign = (name) => icon(SCREENS[name].icon, 16);
  const link = (name) => h("a", { href: `#/${name}`, dataset: { name } }, sign(name), t(`screen-${name}`));
  const title = h("summary", null, t(`group-${group}`), icon("chevron", 13));
  const isOpen = !(closed()[group] ?? innerHeight < LOW);
  return h("details", { open: isOpen, ontoggle }, title, h("div", null, names.map(link)));
}
