// Settings: every key of the configuration as a form, made from what the gateway says that it can be.

import { ANY, fits, same, sparse, tableAt, tableForm } from "../configform.js";
import { badge, button, card, coded, form, formatMoment, formDialog, h, legible, Page, rowButtons } from "../kit.js";
import { searchBox, t, table } from "../kit.js";

const keyOf = (name) => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name));
const at = (table, path) => path.reduce((found, name) => found?.[name], table);
const link = (place, text, look) => h("a", { class: look, href: `#/settings${place && `/${place}`}` }, text);
const note = (role, label, tone, text, ...more) =>
  h("div", { class: "note", role }, badge(label, tone), h("p", null, text), more);

export class Settings extends Page {
  #query = "";

  /** Who comes back from an editor sees what became of the edit. */
  returned() { this.refresh(); }

  async load() {
    const [{ tables }, config, status] = await this.calls("config.schema", "config.get", "config.status");
    Object.assign(this, { tables, config, status });
    const [section = "", ...rest] = this.path.split("/");
    const go = (place, label) => link(place, t(label), "button");
    this.actions(section && go("", "settings-all"), section !== "toml" && go("toml", "settings-toml"));
    this.put(this.#banners(), section ? this.#section(section, rest.join("/")) : this.#overview());
  }

  #banners() {
    const { problem, restart, file } = this.status;
    const where = problem?.line ? t("settings-broken-line", { line: problem.line }) : t("settings-broken");
    return [
      problem && note("alert", where, "bad", legible(problem.message), h("code", null, file)),
      restart.length && note("status", t("settings-restart"), "warn", restart.join(", ")),
    ];
  }

  #toml() {
    const about = { class: "toml", tabindex: 0, role: "region", "aria-label": t("settings-toml") };
    return h("pre", about, legible(this.config.toml));
  }

  /** All sections, or the keys whose names or meanings hold what is searched for. */
  #overview() {
    const results = h("div", { class: "results", "aria-live": "polite" });
    const oninput = () => {
      this.#query = input.value.trim().toLowerCase();
      results.replaceChildren(this.#query ? this.#found() : this.#sections());
    };
    const input = searchBox(t("settings-search"), { value: this.#query, oninput });
    oninput();
    return [h("div", { class: "field" }, input), results];
  }

  #sections() {
    const names = ["general", ...new Set(this.tables.filter(({ path }) => path.length).map(({ path }) => path[0]))];
    const known = (name) => (this.#table([name]) ?? this.#table([name, ANY]))?.meaning;
    const about = (name) => known(name) ?? t(`settings-${name === "general" ? "general-text" : name}`);
    const columns = [
      { title: t("settings-section"), cell: (name) => link(name, name === "general" ? t("settings-general") : name) },
      { title: t("settings-meaning"), cell: (name) => coded(about(name)) },
    ];
    return table({ caption: t("settings-all"), columns, rows: names, key: (name) => name });
  }

  #found() {
    const holds = (path, { name, meaning }) =>
      `${[...path, name].join(".")} ${meaning}`.toLowerCase().includes(this.#query);
    const keysIn = ({ path, keys = [] }) => keys.filter((key) => holds(path, key)).map((key) => ({ path, key }));
    const place = (path) => path.slice(0, path[1] === ANY ? 1 : 2).join("/") || "general";
    const named = ({ path, key }) => link(place(path), [...path, key.name].join("."));
    const columns = [
      { title: t("settings-key"), cell: named },
      { title: t("settings-meaning"), cell: ({ key }) => coded(key.meaning) },
    ];
    const rows = this.tables.flatMap(keysIn);
    return table({ caption: t("settings-search"), columns, rows, empty: t("settings-none"), key: named });
  }

  #section(section, name) {
    if (section === "toml") return this.#toml();
    if (section === "general") return this.#forms([]);
    if (this.#table([section])) return [this.#forms([section]), this.#rules(section)];
    return name ? this.#entry(section, name) : this.#names(section);
  }

  /** The tables of one kind, each with a name of its own. */
  #names(section) {
    const given = Object.keys(this.config.config[section] ?? {});
    const isNamed = ({ path }) => path[0] === section && path.length === 2 && path[1] !== ANY;
    const rows = [...new Set([...given, ...this.tables.filter(isNamed).map(({ path }) => path[1])])];
    const named = (name) => link(`${section}/${encodeURIComponent(name)}`, legible(name));
    const state = (name) => (given.includes(name) ? badge(t("settings-set"), "ok") : t("settings-default"));
    const columns = [{ title: t("name"), cell: named }, { title: t("state"), cell: state }];
    const add = { name: "name", label: t("name"), required: true };
    const onsubmit = ({ name }) => void (location.hash = `#/settings/${section}/${encodeURIComponent(name.trim())}`);
    return [
      h("p", { class: "remarks" }, coded(this.#table([section, ANY])?.meaning ?? "")),
      table({ caption: section, columns, rows, empty: t("settings-none"), key: (name) => name }),
      form({ fields: [add], submit: t("settings-add"), onsubmit, label: t("settings-add") }),
    ];
  }

  #entry(section, name) {
    const isThere = at(this.config.given, [section, name]) !== undefined;
    const question = [t("remove-of", { name }), t("settings-remove-text"), t("remove")];
    const remove = () =>
      this.sure(...question, async () => {
        await this.#set([{ path: [section, name], value: null }]);
        location.hash = `#/settings/${section}`;
      });
    const label = t("remove-of", { name: legible(name) });
    return [this.#forms([section, name]), isThere && button(label, remove, { tone: "danger" })];
  }

  /** The form of a table, and those of the tables in it. */
  #forms(path) {
    const isWithin = (one) => one.length > path.length && !one.slice(path.length).includes(ANY) && fits(one, path);
    const inner = path.length ? this.tables.filter((one) => isWithin(one.path)) : [];
    const all = [this.#table(path), ...inner].filter((one) => one?.keys?.length);
    return all.map((one) => this.#form(one, [...path, ...one.path.slice(path.length)]));
  }

  #form(about, path) {
    const label = path.join(".") || t("settings-general");
    const usual = Object.fromEntries(about.keys.map((key) => [key.name, key.default ?? null]));
    const onsubmit = (changes) => {
      const set = Object.entries(changes).map(([name, value]) => [name, same(value, usual[name]) ? null : value]);
      const isNew = path.length === 2 && !(path[1] in (this.config.config[path[0]] ?? {}));
      if (isNew) return this.#set([{ path, value: Object.fromEntries(set) }]);
      return this.#set(set.map(([name, value]) => ({ path: [...path, name], value })));
    };
    const secrets = about.keys.filter(({ type }) => type === "secret").map(({ name }) => [
      h("code", null, name), ` ${t("settings-secret")} `, h("a", { href: "#/secrets" }, t("screen-secrets")),
    ]);
    const values = at(this.config.config, path);
    return card(
      path.map(keyOf).join(".") || label,
      h("p", { class: "remarks" }, coded(about.meaning ?? "")),
      tableForm({ table: about, values, onsubmit, about: (key) => this.#about(key, path), label }),
      secrets.map((parts) => h("p", { class: "remarks" }, parts)),
    );
  }

  /** What a field says besides: the default, and who set the key. */
  #about({ name, meaning, restart, default: usual = null }, path) {
    const isGiven = at(this.config.given, [...path, name]) !== undefined;
    const last = this.status.changes.find((change) => change.path === [...path, name].map(keyOf).join("."));
    const who = last && t(`settings-by-${last.by}`, { who: legible(last.name || last.who), at: formatMoment(last.at) });
    const value = (usual ?? "") === "" ? t("settings-nothing") : JSON.stringify(usual);
    const isSet = isGiven && badge(t("settings-set"), "ok");
    const label = [name, isSet, restart && badge(t("settings-needs-restart"), "warn")].filter(Boolean);
    const hint = [meaning, t("settings-is-default", { value }), who].filter(Boolean).join(" · ");
    return { label, hint, required: false };
  }

  /** Lists of tables, such as the rules of the policy. */
  #rules(section) {
    const isList = ({ path }) => path[0] === section && path.length === 3 && path[2] === ANY;
    return this.tables.filter(isList).map((one) => this.#list(one, one.path.slice(0, 2)));
  }

  #list({ meaning, keys }, path) {
    const items = at(this.config.given, path) ?? [];
    const caption = path.join(".");
    const save = (value) => this.#set([{ path, value }]);
    const edit = (place) => {
      const about = (key) => ({ ...this.#about(key, [...path, String(place)]), label: key.name });
      const all = (changes) => sparse(keys, { ...items[place], ...changes });
      const onsubmit = (changes) => save(items.toSpliced(place, 1, all(changes)));
      return formDialog(caption, { table: { keys }, values: items[place], onsubmit, about }, tableForm);
    };
    const about = (item) => Object.entries(item).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    const index = (item) => items.indexOf(item);
    const remove = (item) => () => save(items.toSpliced(index(item), 1));
    const buttons = (item) =>
      rowButtons(
        button(t("settings-edit"), () => edit(index(item))),
        button(t("remove"), remove(item), { tone: "danger" }),
      );
    const columns = [
      { title: t("settings-entry"), cell: (item) => h("code", null, legible(about(item).join(", "))) },
      { title: "", cell: buttons, className: "buttons" },
    ];
    return card(
      caption,
      h("p", { class: "remarks" }, coded(meaning ?? "")),
      table({ caption, columns, rows: items, empty: t("settings-none"), key: (item) => String(index(item)) }),
      button(t("settings-add"), () => edit(items.length), { icon: "plus" }),
    );
  }

  #table(path) { return tableAt(this.tables, path); }

  async #set(changes) {
    if (!changes.length) return;
    await this.app.rpc.call("config.set", { changes, seen: this.status.digest });
    this.app.announce(t("settings-saved"));
    await this.refresh();
  }
}
