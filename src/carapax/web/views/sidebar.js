// The ways to everything: a new session, the palette, sessions, screens, theme, signing out. A drawer on a phone.

import { h, icon, iconButton } from "../dom.js";
import { dayGroup, formatAgo, formatExact } from "../format.js";
import { keep, keptJson } from "../kept.js";
import { GROUPS, SCREENS, shownScreens } from "../screens.js";
import { t } from "../strings.js";

const SEARCH_KEYS = navigator.platform.startsWith("Mac") ? "⌘K" : "Ctrl K";
const CLOSED = "carapax.closed-groups";
const LOW = 640;
const THEMES = { auto: "auto", light: "sun", dark: "moon" };

const hint = (keys) => h("kbd", { "aria-hidden": "true" }, keys);

export class Sidebar {
  constructor(app) {
    this.app = app;
    const search = { type: "button", class: "search", "aria-haspopup": "dialog", onclick: () => app.commands.open() };
    this.search = h("button", search, icon("search", 16), t("search"), hint(SEARCH_KEYS));
    this.list = h("nav", { class: "sessions", "aria-label": t("sessions"), onkeydown: (event) => this.#arrows(event) });
    this.screens = h("nav", { class: "screens", "aria-label": t("screens") });
    this.theme = iconButton("auto", "", () => this.nextTheme());
    this.stop = iconButton("halt", t("stop-agents"), () => app.killSwitch.pull());
    app.killSwitch.addEventListener("change", () => (this.stop.hidden = app.killSwitch.stop !== null));
    this.signOut = iconButton("out", t("sign-out"), () => app.signOut(), { hidden: true });
    this.element = h(
      "aside",
      { class: "sidebar", id: "sidebar", "aria-label": t("sessions") },
      h(
        "div",
        { class: "brand" },
        h("img", { src: "icon.svg", alt: "", width: 22, height: 22 }),
        h("span", null, t("product")),
        iconButton("close", t("close"), () => app.toggleDrawer(false), { class: "only-phone" }),
      ),
      h("a", { class: "new", href: "#/", "aria-keyshortcuts": "n" }, icon("plus"), t("new-session"), hint("N")),
      this.search,
      this.list,
      this.screens,
      h("div", { class: "foot" }, this.theme, iconButton("help", t("shortcuts"), () => app.showShortcuts()), this.stop, this.signOut),
    );
    this.#drawTheme();
    setInterval(() => this.draw(), 60_000);
  }

  focus() {
    this.search.focus();
  }

  draw() {
    const { sessions, route } = this.app;
    this.#drawScreens();
    this.#count(this.app.approvals.items.length);
    const groups = {};
    for (const info of sessions.items) (groups[dayGroup(info.updated_at)] ??= []).push(info);
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const section = ([name, infos]) => h("section", null, h("h2", null, name), h("ul", null, infos.map((info) => this.#row(info))));
    this.list.replaceChildren(...Object.entries(groups).map(section));
    if (sessions.loaded && !sessions.items.length) this.list.append(h("p", { class: "none" }, t("no-sessions")));
    if (sessions.more) {
      this.list.append(h("button", { type: "button", class: "quiet", onclick: () => sessions.loadMore() }, t("more-sessions")));
    }
    if (focused) this.list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  #drawScreens() {
    const names = shownScreens(this.app);
    if (this.shown !== `${names}`) {
      this.shown = `${names}`;
      const groups = GROUPS.map((group) => [group, names.filter((name) => SCREENS[name].group === group)]);
      this.screens.replaceChildren(...groups.filter(([, within]) => within.length).map(screenGroup));
    }
    for (const link of this.screens.querySelectorAll("a")) link.ariaCurrent = link.dataset.name === this.app.route.screen ? "page" : null;
  }

  #row(info) {
    const current = this.app.route.session === info.id;
    const asks = this.app.approvals.of(info.id) > 0;
    const state = asks ? t("asks-here") : this.app.isRunning(info) ? t("running") : "";
    const dot = { class: asks ? "dot asks" : "dot", role: "img", "aria-label": state, title: state };
    const age = h("time", { title: formatExact(info.updated_at) }, formatAgo(info.updated_at));
    return h(
      "li",
      null,
      h(
        "a",
        { href: `#/s/${info.id}`, "aria-current": current && "page", class: info.state === "ended" && "ended" },
        h("span", { class: "title" }, info.title || t("untitled")),
        h("span", { class: "sub" }, state && h("span", dot), h("span", asks && { class: "asks" }, asks ? state : this.app.called(info.agent)), age),
      ),
    );
  }

  /** How many questions wait, at the link that leads to them. */
  #count(count) {
    const link = this.screens.querySelector("[data-name=approvals]");
    if (link.dataset.count === String(count)) return;
    link.dataset.count = count;
    link.querySelector(".count")?.remove();
    if (!count) return;
    const label = t("approvals-pending", { count });
    link.append(h("span", { class: "count", title: label }, h("span", { "aria-hidden": "true" }, String(count)), h("span", { class: "unseen" }, label)));
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
    this.theme.setAttribute("aria-label", label);
    this.theme.title = label;
  }
}

/** Links under a heading that folds them: as it was left, and folded first where there is little height. */
function screenGroup([group, names]) {
  const closed = { ...keptJson(CLOSED) };
  const ontoggle = () => keep(CLOSED, JSON.stringify({ ...keptJson(CLOSED), [group]: !element.open }));
  const link = (name) => h("a", { href: `#/${name}`, dataset: { name } }, icon(SCREENS[name].icon, 16), t(`screen-${name}`));
  const title = h("summary", null, t(`group-${group}`), icon("chevron", 13));
  const element = h("details", { open: !(closed[group] ?? innerHeight < LOW) }, title, h("div", null, names.map(link)));
  element.addEventListener("toggle", ontoggle);
  return element;
}
