// Settings: every key of the configuration as a form, made from what the gateway says that it can be.

import { h } from "../dom.js";
import { formatMoment, legible } from "../format.js";
import { badge, button, card, confirmed, form, formDialog, Page, table } from "../kit.js";
import { t } from "../strings.js";

const ANY = "*";
const TYPES = { text: "text", number: "number", integer: "number", choice: "select", list: "list", table: "textarea" };
const UNSET = "—";
const keyOf = (name) => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const at = (table, path) => path.reduce((found, name) => found?.[name], table);

export class Settings extends Page {
  #query = "";

  async load() {
    const operations = ["config.schema", "config.get", "config.status"];
    const [schema, config, status] = await Promise.all(operations.map((name) => this.call(name)));
    if (!schema || !config || !status) return;
    Object.assign(this, { tables: schema.tables, config, status });
    const [section = "", ...rest] = this.path.split("/");
    const name = rest.join("/");
    this.actions(section && link("", t("settings-all"), "button"), section !== "toml" && link("toml", t("settings-toml"), "button"));
    this.put(this.#banners(), section === "toml" ? this.#toml() : section ? this.#section(section, name) : this.#overview());
  }

  #banners() {
    const { problem, restart, file } = this.status;
    const where = problem?.line ? t("settings-broken-line", { line: problem.line }) : t("settings-broken");
    return [
      problem && h("div", { class: "note", role: "alert" }, badge(where, "bad"), h("p", null, legible(problem.message)), h("code", null, file)),
      restart.length && h("div", { class: "note", role: "status" }, badge(t("settings-restart"), "warn"), h("p", null, restart.join(", "))),
    ];
  }

  #toml() {
    return h("pre", { class: "toml", tabindex: 0, role: "region", "aria-label": t("settings-toml") }, legible(this.config.toml));
  }

  /** All sections, or the keys whose names or meanings hold what is searched for. */
  #overview() {
    const results = h("div", { class: "results", "aria-live": "polite" });
    const search = () => {
      this.#query = input.value.trim().toLowerCase();
      results.replaceChildren(this.#query ? this.#found() : this.#sections());
    };
    const input = h("input", { type: "search", "aria-label": t("settings-search"), placeholder: t("settings-search"), value: this.#query, oninput: search });
    search();
    return [h("div", { class: "field" }, input), results];
  }

  #sections() {
    const names = ["general", ...new Set(this.tables.filter(({ path }) => path.length).map(({ path }) => path[0]))];
    const rows = names.map((name) => ({ name, meaning: this.#table([name])?.meaning ?? this.#table([name, ANY])?.meaning ?? t(`settings-${name}`) }));
    const columns = [{ title: t("settings-section"), cell: ({ name }) => link(name, name) }, { title: t("settings-meaning"), cell: ({ meaning }) => meaning }];
    return table({ caption: t("settings-all"), columns, rows, key: ({ name }) => name });
  }

  #found() {
    const holds = ({ path }, { name, meaning }) => `${[...path, name].join(".")} ${meaning}`.toLowerCase().includes(this.#query);
    const rows = this.tables.flatMap((one) => (one.keys ?? []).filter((key) => holds(one, key)).map((key) => ({ path: one.path, key })));
    const named = ({ path, key }) => link(path.slice(0, path[1] === ANY ? 1 : 2).join("/") || "general", [...path, key.name].join("."));
    const columns = [{ title: t("settings-key"), cell: named }, { title: t("settings-meaning"), cell: ({ key }) => key.meaning }];
    return table({ caption: t("settings-search"), columns, rows, empty: t("settings-none"), key: named });
  }

  #section(section, name) {
    if (section === "general") return this.#forms([]);
    if (this.#table([section])) return [this.#forms([section]), this.#rules(section)];
    return name ? this.#entry(section, name) : this.#names(section);
  }

  /** The tables of one kind, each with a name of its own. */
  #names(section) {
    const given = Object.keys(this.config.config[section] ?? {});
    const known = this.tables.filter(({ path }) => path[0] === section && path.length === 2 && path[1] !== ANY).map(({ path }) => path[1]);
    const rows = [...new Set([...given, ...known])].map((name) => ({ name }));
    const named = ({ name }) => link(`${section}/${encodeURIComponent(name)}`, legible(name));
    const state = ({ name }) => (given.includes(name) ? badge(t("settings-set"), "ok") : t("settings-default"));
    const columns = [{ title: t("settings-name"), cell: named }, { title: t("settings-state"), cell: state }];
    const add = { name: "name", label: t("settings-name"), required: true };
    const open = ({ name }) => void (location.hash = `#/settings/${section}/${encodeURIComponent(name.trim())}`);
    return [
      h("p", { class: "remarks" }, this.#table([section, ANY])?.meaning),
      table({ caption: section, columns, rows, empty: t("settings-none"), key: ({ name }) => name }),
      form({ fields: [add], submit: t("settings-add"), onsubmit: open, label: t("settings-add") }),
    ];
  }

  #entry(section, name) {
    const isThere = at(this.config.given, [section, name]) !== undefined;
    const remove = () => this.#remove(section, name);
    return [this.#forms([section, name]), isThere && button(t("settings-remove", { name: legible(name) }), remove, { tone: "danger" })];
  }

  async #remove(section, name) {
    if (!(await confirmed(this.app, t("settings-remove", { name }), t("settings-remove-text"), t("settings-remove-yes")))) return;
    await this.#set([{ path: [section, name], value: null }]);
    location.hash = `#/settings/${section}`;
  }

  /** The form of a table, and those of the tables in it. */
  #forms(path) {
    const inner = path.length ? this.tables.filter((one) => one.path.length > path.length && !one.path.slice(path.length).includes(ANY) && fits(one.path, path)) : [];
    return [this.#table(path), ...inner].filter((one) => one?.keys?.length).map((one) => this.#form(one, [...path, ...one.path.slice(path.length)]));
  }

  #form({ meaning, keys }, path) {
    const inForce = at(this.config.config, path) ?? {};
    const before = Object.fromEntries(keys.map((key) => [key.name, typed(key, inForce[key.name] ?? key.default ?? null)]));
    const onsubmit = async (values) => {
      const changed = keys.filter((key) => key.type !== "secret" && !same(values[key.name], before[key.name]));
      const value = (key) => (same(values[key.name], typed(key, key.default ?? null)) ? null : meant(key, values[key.name]));
      const isNew = path.length === 2 && !(path[1] in (this.config.config[path[0]] ?? {}));
      const whole = () => [{ path, value: Object.fromEntries(changed.map((key) => [key.name, value(key)])) }];
      await this.#set(isNew ? whole() : changed.map((key) => ({ path: [...path, key.name], value: value(key) })));
    };
    const fields = keys.filter(({ type }) => type !== "secret").map((key) => this.#field(key, path));
    const secrets = keys.filter(({ type }) => type === "secret").map(({ name }) => h("p", { class: "remarks" }, h("code", null, name), ` ${t("settings-secret")} `, h("a", { href: "#/secrets" }, t("screen-secrets"))));
    return card(path.map(keyOf).join(".") || t("settings-general"), h("p", { class: "remarks" }, meaning), form({ fields, values: before, onsubmit, label: path.join(".") || t("settings-general") }), secrets);
  }

  #field(key, path) {
    const { name, meaning, optional, restart, choices = [], minimum, maximum } = key;
    const isGiven = at(this.config.given, [...path, name]) !== undefined;
    const last = this.status.changes.find((change) => change.path === [...path, name].map(keyOf).join("."));
    const who = last && t(`settings-by-${last.by}`, { who: legible(last.name || last.who), at: formatMoment(last.at) });
    const value = (key.default ?? "") === "" ? t("settings-nothing") : JSON.stringify(key.default);
    const hint = [meaning, t("settings-is-default", { value }), who].filter(Boolean).join(" · ");
    const label = [name, isGiven && badge(t("settings-set"), "ok"), restart && badge(t("settings-needs-restart"), "warn")].filter(Boolean);
    const truths = key.type === "truth" && (optional ? ["", "true", "false"] : null);
    const options = truths || (key.type === "choice" ? (optional ? ["", ...choices] : choices) : undefined);
    const type = key.type === "truth" ? (optional ? "select" : "checkbox") : TYPES[key.type];
    const shown = options?.map((each) => ({ value: each, label: each || UNSET }));
    const isLong = type === "text" && (name === "persona" || name === "manner");
    return { name, label, hint, type: isLong ? "textarea" : type, options: shown, ...(type === "number" && { min: minimum, max: maximum }) };
  }

  /** Lists of tables, such as the rules of the policy. */
  #rules(section) {
    return this.tables.filter(({ path }) => path[0] === section && path.length === 3 && path[2] === ANY).map((one) => this.#list(one, one.path.slice(0, 2)));
  }

  #list({ meaning, keys }, path) {
    const items = at(this.config.given, path) ?? [];
    const save = (all) => this.#set([{ path, value: all }]);
    const edit = (place) => {
      const values = Object.fromEntries(keys.map((key) => [key.name, typed(key, items[place]?.[key.name] ?? key.default ?? null)]));
      const item = (typedIn) => Object.fromEntries(keys.map((key) => [key, typedIn[key.name]]).filter(([key, value]) => key.required || !same(value, typed(key, key.default ?? null))).map(([key, value]) => [key.name, meant(key, value)]));
      const fields = keys.map((key) => ({ ...this.#field(key, [...path, String(place)]), label: key.name }));
      return formDialog(path.join("."), { fields, values, onsubmit: (typedIn) => save(items.toSpliced(place, 1, item(typedIn))) });
    };
    const about = (item) => Object.entries(item).map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(", ");
    const buttons = (item) => h("div", { class: "actions" }, button(t("settings-edit"), () => edit(items.indexOf(item))), button(t("settings-remove-yes"), () => save(items.filter((each) => each !== item)), { tone: "danger" }));
    const columns = [{ title: t("settings-entry"), cell: (item) => h("code", null, legible(about(item))) }, { title: "", cell: buttons, className: "buttons" }];
    const list = table({ caption: path.join("."), columns, rows: items, empty: t("settings-none"), key: (item) => String(items.indexOf(item)) });
    return card(path.join("."), h("p", { class: "remarks" }, meaning), list, button(t("settings-add"), () => edit(items.length), { icon: "plus" }));
  }

  /** The description of the table at a path, or of those that have a name of their own there. */
  #table(path) {
    const all = this.tables.filter((one) => one.path.length === path.length && fits(one.path, path));
    return all.find((one) => same(one.path, path)) ?? all[0];
  }

  async #set(changes) {
    if (!changes.length) return;
    await this.app.rpc.call("config.set", { changes, seen: this.status.digest });
    this.app.announce(t("settings-saved"));
    await this.refresh();
  }
}

const link = (place, text, look) => h("a", { class: look, href: `#/settings${place && `/${place}`}` }, text);
const fits = (pattern, path) => path.every((name, place) => pattern[place] === name || pattern[place] === ANY);

/** A value as its field has it. */
function typed({ type, optional, lists }, value) {
  if (type === "table") return Object.entries(value ?? {}).map(([name, each]) => `${name} = ${lists ? each.join(", ") : JSON.stringify(each)}`).join("\n");
  if (type === "truth" && optional) return value === null ? "" : String(value);
  if (type === "choice" || type === "text") return value ?? "";
  return type === "list" ? [...(value ?? [])] : value;
}

/** What a field says, as the configuration takes it. */
function meant({ type, optional, lists }, value) {
  if (type === "truth" && optional) return value === "" ? null : value === "true";
  if (type !== "table") return value;
  const line = /^\s*(.+?)\s*=\s*(.*?)\s*$/;
  return Object.fromEntries(value.split("\n").map((each) => line.exec(each)).filter(Boolean).map(([, name, each]) => [name, lists ? each.split(/\s*,\s*/).filter(Boolean) : parsed(each)]));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
