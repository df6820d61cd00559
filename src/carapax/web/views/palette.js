// The command palette: whatever there is, found by a few of its letters.

import { h, icon, openDialog, t } from "../kit.js";
import { SCREENS, shownScreens } from "../screens.js";

const SHOWN = 12;
const SHORTEST = 3;
const TYPING_MS = 200;

export class Palette {
  #commands = [];
  #found = [];
  #timer = 0;

  constructor(app) { this.app = app; }

  /** A command {id, label, run, icon, keys, shown}; one with the same id replaces it; `shown()` may leave it out. */
  add(command) { this.#commands = [...this.#commands.filter(({ id }) => id !== command.id), command]; }

  open() {
    if (this.dialog) return;
    const label = t("palette");
    const [oninput, onkeydown] = [() => this.#typed(), (event) => this.#key(event)];
    const text = { type: "text", autocomplete: "off", spellcheck: "false", enterkeyhint: "go" };
    const list = { "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list" };
    const about = { role: "combobox", placeholder: t("palette-hint"), "aria-label": label };
    this.input = h("input", { ...text, ...list, ...about, oninput, onkeydown });
    this.list = h("ul", { id: "palette-list", role: "listbox", "aria-label": label });
    this.none = h("p", { class: "none", role: "status" });
    const box = h("div", null, h("label", { class: "search" }, icon("search", 16), this.input), this.list, this.none);
    this.dialog = openDialog(label, box, "palette");
    this.dialog.addEventListener("click", ({ target }) => target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.#closed());
    this.input.focus();
    this.#draw();
  }

  #typed() {
    this.#draw();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(this.input.value.trim()), TYPING_MS);
  }

  /** Sessions in which this was said, of which the page may know nothing yet. */
  async #search(query) {
    if (query.length < SHORTEST) return;
    const answer = await this.app.rpc.call("session.list", { query, limit: SHOWN }).catch(() => null);
    if (!answer?.sessions.length || !this.dialog || this.input.value.trim() !== query) return;
    const said = ({ id, title }) => answer.found?.[id] ?? title;
    this.#found = answer.sessions.map((info) => ({ ...info, said: said(info), query: query.toLowerCase() }));
    this.#draw(this.entries[this.chosen]?.label);
  }

  #closed() {
    this.#found = [];
    this.dialog = null;
  }

  /** Everything there is: {kind, label, detail, icon, run}. */
  #all() {
    const { app } = this;
    const entry = (kind, label, sign, hash, detail = "") =>
      ({ kind, label, icon: sign, detail, run: () => (location.hash = hash) });
    const known = this.#commands.filter(({ shown }) => !shown || shown());
    const commands = known.map((command) => ({ kind: "command", ...command }));
    const screen = (name) => entry("screen", t(`screen-${name}`), SCREENS[name].icon, `#/${name}`);
    const anew = (name) => `#/new/agent/${encodeURIComponent(name)}`;
    const begin = (name) => t("new-session-with", { agent: app.called(name) });
    const agent = ({ name }) => entry("agent", begin(name), "person", anew(name));
    const listed = app.sessions.items.filter(({ id }) => !this.#found.some((found) => found.id === id));
    const sessions = [...listed, ...this.#found].map((info) => ({
      ...entry("session", info.title || t("untitled"), "chat", `#/s/${info.id}`),
      query: info.query,
      detail: info.said && info.said !== info.title ? `… ${info.said} …` : app.called(info.agent),
    }));
    return [...commands, ...shownScreens(app).map(screen), ...app.agents.map(agent), ...sessions];
  }

  /** What is named `chosen` stays chosen; else it is the best. */
  #draw(chosen = "") {
    const wanted = this.input.value.trim().toLowerCase();
    const score = ({ label, query }) => match(wanted, label.toLowerCase()) || (wanted && query === wanted ? 1 : 0);
    const scored = this.#all().map((entry) => ({ entry, score: score(entry) }));
    const found = scored.filter((each) => each.score > 0).sort((one, other) => other.score - one.score);
    this.entries = found.slice(0, SHOWN).map(({ entry }) => entry);
    this.list.replaceChildren(...this.entries.map((entry, index) => this.#option(entry, index)));
    this.list.hidden = !this.entries.length;
    this.none.textContent = this.entries.length ? "" : t("no-matches", { text: this.input.value });
    this.#choose(Math.max(0, this.entries.findIndex(({ label }) => label === chosen)));
  }

  #option({ kind, label, detail, icon: sign = "tool", keys }, index) {
    const said = [t(kind), detail].filter(Boolean).join(" · ");
    const [onclick, onpointermove] = [() => this.#run(index), () => this.#choose(index)];
    const attributes = { role: "option", id: `palette-${index}`, onclick, onpointermove };
    const shortcut = keys && h("kbd", { "aria-hidden": "true" }, keys);
    const named = h("span", { class: "label", dir: "auto" }, label);
    return h("li", attributes, icon(sign, 16), named, h("small", { dir: "auto" }, said), shortcut);
  }

  #choose(index) {
    this.chosen = index;
    [...this.list.children].forEach((each, at) => (each.ariaSelected = String(at === index)));
    this.input.setAttribute("aria-activedescendant", this.entries.length ? `palette-${index}` : "");
    this.list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const { length } = this.entries;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && length) this.#choose((this.chosen + step + length) % length);
    else if (event.key === "Enter" && !event.isComposing) this.#run(this.chosen);
    else return;
    event.preventDefault();
  }

  #run(index) {
    const entry = this.entries[index];
    if (!entry) return;
    this.dialog.close();
    entry.run();
  }
}

/** How well letters match a label: as a word's beginning best, then within it, then scattered; 0 for not at all. */
export function match(wanted, label) {
  if (!wanted) return 1;
  const at = label.indexOf(wanted);
  if (at >= 0) return (at === 0 ? 4 : /\W/.test(label[at - 1]) ? 3 : 2) + wanted.length / label.length;
  let place = -1;
  let first = -1;
  for (const letter of wanted.replace(/\s/g, "")) {
    place = label.indexOf(letter, place + 1);
    if (place < 0) return 0;
    if (first < 0) first = place;
  }
  return wanted.length / (place - first + 1 + wanted.length);
}
