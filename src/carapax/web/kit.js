// What screens are made of: a page, tables, forms, buttons, cards, badges, tabs, a question. All text is only text.

import { h, icon } from "./dom.js";
import { Offline, RpcError } from "./rpc.js";
import { t } from "./strings.js";

const CONTROLS = "a, button, input, select, textarea, summary";
let made = 0;

/** A screen: `class Agents extends Page { async load() { ...; this.put(...) } }`. `path` is what follows `#/NAME/`. */
export class Page {
  path = "";
  #isOpen = false;
  #loading = null;
  #isWanted = false;
  #place = "";

  constructor(app, name) {
    this.app = app;
    this.title = h("h1", { tabindex: -1 }, t(`screen-${name}`));
    this.actionBar = h("div", { class: "actions" });
    this.content = h("div", { class: "sheet" }, h("p", { class: "loading" }, t("loading")));
    this.scroller = h("div", { class: "scroller page", tabindex: 0 }, this.content);
    this.element = h(
      "div",
      { class: `screen ${name}` },
      h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, this.title), this.actionBar),
      this.scroller,
    );
  }

  /** Call operations, then `put` what they say. Called when the screen opens, after a lost connection, and by `refresh`. */
  async load() {}

  /** Load again; when that is under way, once more after it. */
  refresh() {
    this.#isWanted = true;
    this.#loading ??= this.#loadAll().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #loadAll() {
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.load();
    }
  }

  /** Something happened in the app. */
  update() {
    const wasOpen = this.#isOpen;
    this.#isOpen = this.app.rpc.state === "open";
    if (this.#isOpen && !wasOpen) this.refresh();
  }

  /**
   * Show these instead of what is shown; the focus and the place stay where they are, as far as they still exist, and
   * so do, when the same is loaded again, the chosen tabs and what was typed into forms.
   */
  put(...children) {
    const place = placeOf(document.activeElement, this.content);
    const goOn = this.#loading && this.#place === this.path ? begunIn(this.content) : null;
    this.#place = this.path;
    this.content.replaceChildren(...children.flat(2).filter((child) => child instanceof Node || typeof child === "string"));
    goOn?.();
    if (place) focusPlace(place, this.content);
  }

  /** The buttons beside the title. */
  actions(...buttons) {
    this.actionBar.replaceChildren(...buttons.flat().filter(Boolean));
  }

  /** The result of an operation; what goes wrong is told, and gives null. */
  call(method, params) {
    return this.app.attempt(method, params);
  }

  focus() {
    this.title.focus({ preventScroll: true });
  }

  /** Esc; whether it meant something here. */
  escape() {
    return false;
  }

  close() {}
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
  const chosen = [...root.querySelectorAll("[role=tab][aria-selected=true]")].map(({ dataset }) => `[role=tab][data-name="${dataset.name}"]`);
  const begun = [...root.querySelectorAll("form[data-begun]")];
  return () => {
    chosen.forEach((tab) => root.querySelector(tab)?.click());
    begun.forEach((form) => root.querySelector(`form[data-key="${CSS.escape(form.dataset.key)}"]`)?.replaceWith(form));
  };
}

/**
 * Rows as a table, on a phone as cards. A column is {title, cell: (row) => Node|string, className}; the first one names
 * its row. `empty` is said when there are none; `key(row)` lets the focus survive a `put`.
 */
export function table({ caption, columns, rows, empty = "", key = null }) {
  if (!rows.length) return h("p", { class: "none" }, empty);
  const head = columns.map(({ title, className }) => h("th", { scope: "col", role: "columnheader", class: className }, title));
  const cell = (row) => ({ title, cell: draw, className }, place) => {
    const attributes = { class: className, dataset: { title }, role: place ? "cell" : "rowheader", scope: place ? null : "row" };
    return h(place ? "td" : "th", attributes, draw(row));
  };
  const body = rows.map((row) => h("tr", { role: "row", dataset: key && { key: key(row) } }, columns.map(cell(row))));
  const parts = [h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)), h("tbody", { role: "rowgroup" }, body)];
  const shown = h("table", { role: "table", "aria-label": caption }, parts);
  return h("div", { class: "table rows", tabindex: 0, role: "region", "aria-label": caption }, shown);
}

/**
 * A form of fields {name, label, hint, type: "text|password|number|checkbox|select|textarea|list|time zone", options,
 * required, minlength, autocomplete}. `options` are strings or {value, label}, and of a text suggestions, which may be
 * promised; a list is written one entry a line.
 * `onsubmit(values)` may throw: what the gateway refuses is said at its field, and what was typed stays.
 */
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
      const values = Object.fromEntries(inputs.map((input) => [input.name, input.value]));
      await busy(save, async () => {
        delete element.dataset.begun;
        await onsubmit(values);
      });
    } catch (error) {
      element.dataset.begun = "";
      problem.textContent = refuse(inputs, error);
      (inputs.find(({ isRefused }) => isRefused)?.input ?? save).focus();
    }
  };
  const back = cancel && h("button", { type: "button", class: "button", onclick: cancel }, t("cancel"));
  const rows = inputs.map(({ element }) => element);
  const buttons = h("div", { class: "actions" }, back, save);
  const oninput = () => (element.dataset.begun = "");
  const given = { class: "form", "aria-label": label, onsubmit: send, oninput, dataset: { key: label ?? submit } };
  const element = h("form", given, rows, problem, buttons);
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
    this.problem = h("small", { class: "problem", id: `${id}-problem` });
    const about = h("small", { id: `${id}-hint` }, hint);
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

  get isRefused() {
    return this.input.ariaInvalid === "true";
  }

  refuse(why) {
    this.problem.textContent = why;
    this.input.ariaInvalid = why ? "true" : null;
  }
}

const MAKERS = {
  text: (given, value, options, type) =>
    h("input", { type, autocomplete: "off", list: options.length === 0 ? null : `${given.id}-list`, ...given, value: String(value) }),
  number: (given, value) => h("input", { type: "number", step: "any", ...given, value: String(value) }),
  checkbox: (given, value) => h("input", { type: "checkbox", ...given, checked: Boolean(value) }),
  textarea: (given, value) => h("textarea", { rows: 6, ...given, value }),
  list: (given, value) => h("textarea", { rows: 3, ...given, value: [...value].join("\n") }),
  "time zone": (given, value) => h("input", { type: "text", ...given, list: `${given.id}-list`, value }),
  select(given, value, options) {
    const all = options.map((option) => (typeof option === "string" ? { value: option, label: option } : option));
    const select = h("select", given, all.map(({ value: each, label }) => h("option", { value: each }, label)));
    select.value = value;
    return select;
  },
};

const suggestion = (value) => h("option", { value });

/** A button that waits for its action, and is pressed once meanwhile. What the gateway refuses is told. */
export function button(label, action, { tone = "", icon: sign = "", disabled = false } = {}) {
  const onclick = async () => {
    if (element.ariaBusy === "true") return;
    try {
      await busy(element, action);
    } catch (error) {
      if (!(error instanceof Offline || error instanceof RpcError)) throw error;
      document.dispatchEvent(new CustomEvent("problem", { detail: error }));
    }
  };
  const element = h("button", { type: "button", class: `button ${tone}`, disabled, onclick }, sign && icon(sign, 16), label);
  return element;
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
  const tab = ({ name, label }) =>
    h("button", { type: "button", role: "tab", "aria-controls": id, dataset: { name }, onclick: () => show(name) }, label);
  const list = h("div", { class: "tabs", role: "tablist", onkeydown }, all.map(tab));
  show(all.some(({ name }) => name === chosen) ? chosen : all[0].name);
  return h("div", { class: "tabbed" }, list, panel);
}

/** A form in a dialog; whether it was submitted, and taken. */
export async function formDialog(title, { onsubmit, ...rest }) {
  let isDone = false;
  const done = async (values) => {
    await onsubmit(values);
    isDone = true;
    dialog.close();
  };
  const content = form({ ...rest, onsubmit: done, cancel: () => dialog.close() });
  const dialog = h("dialog", { "aria-label": title, onclose: () => dialog.remove() }, h("h2", null, title), content);
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  return isDone;
}

/** Ask first; whether the answer was yes. */
export function confirmed(app, title, text, yes) {
  return app.ask(title, h("p", null, text), yes);
}
