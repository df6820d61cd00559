// The list of sessions: search, new, theme, signing out. A drawer on a phone.

import { h, icon, iconButton } from "../dom.js";
import { dayGroup, formatAgo, formatExact } from "../format.js";
import { SCREENS } from "../screens.js";
import { t } from "../strings.js";

const SEARCH_KEYS = navigator.platform.startsWith("Mac") ? "⌘K" : "Ctrl K";
const THEMES = { auto: "auto", light: "sun", dark: "moon" };

const hint = (keys) => h("kbd", { "aria-hidden": "true" }, keys);

export class Sidebar {
  constructor(app) {
    this.app = app;
    this.search = h("input", {
      type: "search",
      placeholder: t("search"),
      "aria-label": t("search"),
      autocomplete: "off",
      oninput: () => this.draw(),
      onkeydown: (event) => this.#fromSearch(event),
    });
    this.list = h("nav", { class: "sessions", "aria-label": t("sessions"), onkeydown: (event) => this.#arrows(event) });
    this.screens = h("nav", { class: "screens", "aria-label": t("screens") }, Object.entries(SCREENS).map(screenLink));
    this.theme = iconButton("auto", "", () => this.#nextTheme());
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
      h("label", { class: "search" }, icon("search", 16), this.search, hint(SEARCH_KEYS)),
      this.list,
      this.screens,
      h("div", { class: "foot" }, this.theme, iconButton("help", t("shortcuts"), () => app.showShortcuts()), this.stop, this.signOut),
    );
    this.#drawTheme();
    setInterval(() => this.draw(), 60_000);
  }

  focusSearch() {
    this.search.focus();
    this.search.select();
  }

  draw() {
    const { sessions, route } = this.app;
    for (const link of this.screens.children) link.ariaCurrent = link.dataset.name === route.screen ? "page" : null;
    this.#count(this.app.approvals.items.length);
    const wanted = this.search.value.trim().toLowerCase();
    const shown = sessions.items.filter(({ title, agent, id }) => `${title} ${agent} ${id}`.toLowerCase().includes(wanted));
    const groups = {};
    for (const info of shown) (groups[dayGroup(info.updated_at)] ??= []).push(info);
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const section = ([name, infos]) => h("section", null, h("h2", null, name), h("ul", null, infos.map((info) => this.#row(info))));
    this.list.replaceChildren(...Object.entries(groups).map(section));
    if (sessions.loaded && !shown.length) {
      this.list.append(h("p", { class: "none" }, wanted ? t("no-matches", { text: wanted }) : t("no-sessions")));
    }
    if (sessions.more) {
      this.list.append(h("button", { type: "button", class: "quiet", onclick: () => sessions.loadMore() }, t("more-sessions")));
    }
    if (focused) this.list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
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
        h("span", { class: "sub" }, state && h("span", dot), h("span", asks && { class: "asks" }, asks ? state : info.agent), age),
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

  #fromSearch(event) {
    const first = this.list.querySelector("a");
    if (event.key === "ArrowDown") first?.focus();
    else if (event.key === "Enter") first?.click();
    else return;
    event.preventDefault();
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

  #nextTheme() {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    document.documentElement.dataset.theme = next;
    localStorage.setItem("carapax.theme", next);
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

function screenLink([name, screen]) {
  return h("a", { href: `#/${name}`, dataset: { name } }, icon(screen.icon, 16), t(`screen-${name}`));
}
