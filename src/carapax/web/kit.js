// What screens are made of: elements, texts and formats, and of these pages, tables, forms, buttons, cards, tabs.

import { h, icon } from "./dom.js";
import { sentence } from "./format.js";
import { Offline, RpcError } from "./rpc.js";
import { t } from "./strings.js";

export * from "./dom.js";
export * from "./format.js";
export { t };

const CONTROLS = "a, button, input, select, textarea, summary";
let made = 0;

/** A screen: `class Agents extends Page { async load() { ...; this.put(...) } }`. `path` is what follows `#/NAME/`. */
export class Page {
  path = "";
  opened = null;
  #isOpen = false;
  #loading = null;
  #isWanted = false;
  #place = "";
  #filled = null;

  constructor(app, name) {
    this.app = app;
    this.title = h("h1", { tabindex: -1 }, t(`screen-${name}`));
    this.actionBar = h("div", { class: "actions" });
    this.content = h("div", { class: "sheet" }, h("p", { class: "loading" }, t("loading")));
    this.scroller = h("div", { class: "scroller page", tabindex: 0 }, this.content);
    const about = { class: `screen ${name}`, "aria-busy": "true" };
    this.element = h("div", about, topBar(app, [this.title], this.actionBar), this.scroller);
  }

  /** Call operations, then `put` what they say. Called at opening, after a lost connection, and by `refresh`; what the
   * gateway refuses is told. */
  async load() {}

  /** Load again; when that is under way, once more after it. */
  refresh() {
    this.#isWanted = true;
    this.#loading ??= this.#loadAll().finally(() => {
      this.#loading = null;
      this.element.ariaBusy = null;
    });
    return this.#loading;
  }

  /** It is busy while a place is loaded first; what is loaded again is there already. */
  async #loadAll() {
    while (this.#isWanted) {
      this.#isWanted = false;
      if (this.#filled !== this.path) this.element.ariaBusy = "true";
      this.#filled = this.path;
      await this.load().catch(tellRefusal);
    }
  }

  /** Go to a place within the screen, as the address says. */
  show(path) {
    if (path === this.path) return;
    this.path = path;
    this.refresh();
  }

  /** Something happened in the app. */
  update() {
    const wasOpen = this.#isOpen;
    this.#isOpen = this.app.rpc.state === "open";
    if (this.#isOpen && !wasOpen) this.refresh();
  }

  /** Show these instead of what is shown; the focus and the place stay where they are, as far as they still exist, and
   * so do, when the same is loaded again, the chosen tabs and what was typed into forms. */
  put(...children) {
    const place = placeOf(document.activeElement, this.content);
    const goOn = this.#loading && this.#place === this.path ? begunIn(this.content) : null;
    const isShown = (child) => child instanceof Node || typeof child === "string";
    this.#place = this.path;
    this.content.replaceChildren(...children.flat(2).filter(isShown));
    goOn?.();
    if (place) focusPlace(place, this.content);
  }

  /** The buttons beside the title. */
  actions(...buttons) { this.actionBar.replaceChildren(...buttons.flat().filter(Boolean)); }

  /** The result of an operation; what goes wrong is told, and gives null. */
  call(method, params) { return this.app.attempt(method, params); }

  /** The results of several operations, each a name or [name, parameters]. Raises RpcError, Offline. */
  calls(...asked) { return Promise.all(asked.map((each) => this.app.rpc.call(...[each].flat()))); }

  /** Ask first; do it on a yes. What `work` returns, or null on a no. */
  async sure(title, text, yes, work) { return (await confirmed(this.app, title, text, yes)) ? work() : null; }

  focus() { this.title.focus({ preventScroll: true }); }

  /** Show what was loaded; `opened` says whose form is open in it: something's, or null for no form. */
  draw() {}

  /** Open the form of something, or with null none, and go where that is. */
  open(what) {
    this.opened = what;
    this.draw();
    const place = what === null ? ".actions button" : ".form :is(input, select, textarea)";
    this.element.querySelector(place)?.focus();
  }

  /** Esc; whether it meant something here. */
  escape() {
    const wasOpen = this.opened !== null;
    if (wasOpen) this.open(null);
    return wasOpen;
  }

  close() {}
}

/** What stands above everything: the way to the sidebar, a heading, and more. */
export function topBar(app, heading, ...more) {
  return h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, heading), more);
}

/** Which control has the focus: the how-manieth within the nearest row, card or form that has a key. */
function placeOf(control, root) {
  if (!root.contains(control)) return null;
  const owner = control.closest("[data-key]");
  return { key: owner?.dataset.key, index: [...(owner ?? root).querySelectorAll(CONTROLS)].indexOf(control) };
}

function focusPlace({ key, index }, root) {
  const owner = key === undefined ? root : root.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (owner?.querySelectorAll(CONTROLS)[index] ?? root.closest(".page"))?.focus({ preventScroll: true });
}

/** Tabs that are chosen and forms that are begun: a function that takes them up in what took their place. */
function begunIn(root) {
  const chosen = [...root.querySelectorAll("[role=tab][aria-selected=true]")].map(({ dataset }) => dataset.name);
  const begun = [...root.querySelectorAll("form[data-begun]")];
  const formOf = ({ dataset: { key } }) => root.querySelector(`form[data-key="${CSS.escape(key)}"]`);
  return () => {
    chosen.forEach((name) => root.querySelector(`[role=tab][data-name="${name}"]`)?.click());
    begun.forEach((form) => formOf(form)?.replaceWith(form));
  };
}

/** Rows as a table, on a phone as cards. A column is {title, cell: (row) => Node|string, className}; the first one
 * names its row. `empty` is said when there are none; `key(row)` lets the focus survive a `put`. */
export function table({ caption, columns, rows, empty = "", key = null }) {
  if (!rows.length) return h("p", { class: "none" }, empty);
  const titleCell = ({ title, className }) => h("th", { scope: "col", role: "columnheader", class: className }, title);
  const cell = (row) => ({ title, cell: draw, className }, place) => {
    const attributes = place ? { role: "cell" } : { role: "rowheader", scope: "row" };
    return h(place ? "td" : "th", { ...attributes, class: className, dir: "auto", dataset: { title } }, draw(row));
  };
  const drawRow = (row) => h("tr", { role: "row", dataset: key && { key: key(row) } }, columns.map(cell(row)));
  const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map(titleCell)));
  const body = h("tbody", { role: "rowgroup" }, rows.map(drawRow));
  const shown = h("table", { role: "table", "aria-label": caption }, head, body);
  return h("div", { class: "table rows", tabindex: 0, role: "region", "aria-label": caption }, shown);
}

/** A form of fields {name, label, hint, type: "text|password|number|checkbox|select|textarea|list|time zone", options,
 * required, minlength, autocomplete}. `options` are strings or {value, label}, and of a text suggestions, which may be
 * promised; a list is written one entry a line. `onsubmit(values)` may throw: what the gateway refuses is said at its
 * field, and what was typed stays. */
export function form({ fields, values = {}, submit = t("save"), onsubmit, cancel = null, label = null }) {
  const inputs = fields.map((field) => new Field(field, values[field.name]));
  const problem = h("p", { class: "problem", role: "alert" });
  const save = h("button", { type: "submit", class: "button primary" }, submit);
  const send = async (event) => {
    event.preventDefault();
    if (save.ariaBusy === "true") return;
    problem.textContent = "";
    inputs.forEach((input) => input.refuse(""));
    try {
      const given = Object.fromEntries(inputs.map((input) => [input.name, input.value]));
      await busy(save, async () => {
        delete element.dataset.begun;
        await onsubmit(given);
      });
    } catch (error) {
      element.dataset.begun = "";
      problem.textContent = refuse(inputs, error);
      (inputs.find(({ isRefused }) => isRefused)?.input ?? save).focus();
    }
  };
  const back = cancel && h("button", { type: "button", class: "button", onclick: cancel }, t("cancel"));
  const rows = inputs.map(({ element }) => element);
  const buttons = rowButtons(back, save);
  const oninput = () => (element.dataset.begun = "");
  const about = { class: "form", "aria-label": label, onsubmit: send, oninput, dataset: { key: label ?? submit } };
  const element = h("form", about, rows, problem, buttons);
  return element;
}

/** Say at each field what was wrong with it; the rest of it is returned. */
function refuse(inputs, error) {
  if (error instanceof Offline) return t("offline");
  if (!(error instanceof RpcError)) throw error;
  const named = /`\$\.(\w+)/.exec(error.message)?.[1];
  const problems = Object.entries(error.data.fields ?? (named ? { [named]: error.message } : {}));
  const left = problems.filter(([name, why]) => {
    const input = inputs.find((each) => each.name === name) ?? inputs.find((each) => name.endsWith(`.${each.name}`));
    input?.refuse(why);
    return !input;
  });
  if (problems.length) return left.map(([name, why]) => `${name}: ${why}`).join("\n");
  return error.message;
}

class Field {
  constructor({ name, label, hint = "", type = "text", options = [], required = false, ...rest }, value) {
    const id = `field-${++made}`;
    Object.assign(this, { name, type });
    const given = { id, name, required, "aria-describedby": `${id}-hint ${id}-problem`, ...rest };
    this.input = (MAKERS[type] ?? MAKERS.text)(given, value ?? "", options, type);
    this.input.addEventListener("invalid", () => this.refuse(this.input.validationMessage));
    this.input.addEventListener("input", () => this.refuse(""));
    this.problem = h("small", { class: "problem", id: `${id}-problem` });
    const about = h("small", { id: `${id}-hint` }, coded(hint));
    const isListed = this.input.hasAttribute("list");
    const list = isListed && h("datalist", { id: `${id}-list` });
    const known = type === "text" ? options : Intl.supportedValuesOf("timeZone");
    if (isListed) Promise.resolve(known).then((all) => list.append(...all.map(suggestion)));
    const parts = [h("label", { for: id }, label), this.input, list, about, this.problem];
    this.element = h("div", { class: `field ${type.replace(" ", "-")}` }, parts);
  }

  get value() {
    const { input, type } = this;
    if (type === "checkbox") return input.checked;
    if (type === "number") return input.value === "" ? null : Number(input.value);
    if (type === "list") return input.value.split("\n").map((line) => line.trim()).filter(Boolean);
    return input.value;
  }

  get isRefused() { return this.input.ariaInvalid === "true"; }

  refuse(why) {
    this.problem.textContent = why;
    this.input.ariaInvalid = why ? "true" : null;
  }
}

const MAKERS = {
  text(given, value, options, type) {
    const list = options.length === 0 ? null : `${given.id}-list`;
    const dir = type === "text" && "auto";
    return h("input", { type, dir, autocomplete: "off", list, ...given, value: String(value) });
  },
  number: (given, value) => h("input", { type: "number", step: "any", ...given, value: String(value) }),
  checkbox: (given, value) => h("input", { type: "checkbox", ...given, checked: Boolean(value) }),
  textarea: (given, value) => h("textarea", { rows: 6, dir: "auto", ...given, value }),
  list: (given, value) => h("textarea", { rows: 3, ...given, value: [...value].join("\n") }),
  "time zone": (given, value) => h("input", { type: "text", ...given, list: `${given.id}-list`, value }),
  select: (given, value, options) => select(options, { ...given, value }),
};

/** A sentence in which what stands between backticks is code. */
export const coded = (text) => sentence(text).split("`").map((part, at) => (at % 2 ? h("code", null, part) : part));

const suggestion = (value) => h("option", { value });

/** A button that waits for its action, and is pressed once meanwhile. What the gateway refuses is told. */
export function button(label, action, { tone = "", icon: sign = "", disabled = false } = {}) {
  const onclick = async () => {
    if (element.ariaBusy === "true") return;
    try {
      await busy(element, action);
    } catch (error) {
      tellRefusal(error);
    }
  };
  const given = { type: "button", class: `button ${tone}`, disabled, onclick };
  const element = h("button", given, sign && icon(sign, 16), label);
  return element;
}

/** What is no refusal, and no lost connection either, is a mistake of the page. */
function tellRefusal(error) {
  if (!(error instanceof Offline || error instanceof RpcError)) throw error;
  document.dispatchEvent(new CustomEvent("problem", { detail: error }));
}

/** The button keeps the focus meanwhile, which a disabled one would lose. */
async function busy(element, action) {
  element.ariaBusy = "true";
  try {
    await action();
  } finally {
    element.ariaBusy = null;
  }
}

/** Where something is looked for. */
export const searchBox = (label, given) =>
  h("input", { type: "search", "aria-label": label, placeholder: label, ...given });

export const rowButtons = (...buttons) => h("div", { class: "actions" }, buttons);

/** A choice of `options`, which are strings or {value, label}. */
export function select(options, { value, ...given }) {
  const all = options.map((option) => (typeof option === "string" ? { value: option, label: option } : option));
  const element = h("select", given, all.map(({ value: each, label }) => h("option", { value: each }, label)));
  if (value !== undefined) element.value = value;
  return element;
}

export function card(title, ...content) {
  return h("section", { class: "card", dataset: { key: title } }, h("h2", null, title), content);
}

/** A word about a state; `tone` is "ok", "warn", "bad" or "quiet". */
export function badge(text, tone = "quiet") {
  return h("span", { class: "badge", dataset: { tone } }, text);
}

/** One of several contents {name, label, content: () => Node}, made when it is chosen first. */
export function tabs(all, chosen = all[0].name) {
  const id = `tabs-${++made}`;
  const panel = h("div", { role: "tabpanel", id, class: "tab-panel" });
  const kept = new Map();
  const show = (name) => {
    for (const each of list.children) {
      const isShown = each.dataset.name === name;
      Object.assign(each, { ariaSelected: String(isShown), tabIndex: isShown ? 0 : -1 });
    }
    const { label, content } = all.find((each) => each.name === name);
    if (!kept.has(name)) kept.set(name, content());
    panel.ariaLabel = label;
    panel.replaceChildren(kept.get(name));
  };
  const onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = list.children[([...list.children].indexOf(event.target) + step + all.length) % all.length];
    show(next.dataset.name);
    next.focus();
  };
  const tab = ({ name, label }) => {
    const given = { type: "button", role: "tab", "aria-controls": id, dataset: { name }, onclick: () => show(name) };
    return h("button", given, label);
  };
  const list = h("div", { class: "tabs", role: "tablist", onkeydown }, all.map(tab));
  show(all.some(({ name }) => name === chosen) ? chosen : all[0].name);
  return h("div", { class: "tabbed" }, list, panel);
}

export function openDialog(title, content, name = "") {
  const opener = document.activeElement;
  const root = opener.closest(".sheet, .actions") ?? document.body;
  const place = placeOf(opener, root);
  const onclose = () => {
    dialog.remove();
    if (!opener.isConnected) focusPlace(place, root); // what was loaded again meanwhile has another in its place
  };
  const dialog = h("dialog", { class: name, "aria-label": title, onclose }, content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export const closed = (dialog) => new Promise((done) => dialog.addEventListener("close", done, { once: true }));

/** A form in a dialog, as `make` makes it; whether it was submitted, and taken. */
export async function formDialog(title, { onsubmit, ...rest }, make = form) {
  let isDone = false;
  const done = async (...given) => {
    await onsubmit(...given);
    isDone = true;
    dialog.close();
  };
  const content = make({ ...rest, onsubmit: done, cancel: () => dialog.close() });
  const dialog = openDialog(title, [h("h2", null, title), content]);
  await closed(dialog);
  return isDone;
}

/** Ask first; whether the answer was yes. */
export const confirmed = (app, title, text, yes) => app.ask(title, h("p", null, text), yes);
