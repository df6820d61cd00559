// Forms for tables of carapax.toml, made from what `config.schema` says of their keys.

import { form } from "./kit.js";
import { t } from "./strings.js";

const TYPES = { integer: "number", number: "number", truth: "checkbox", choice: "select", list: "list", table: "textarea" };
const LONG = new Set(["persona", "manner", "description"]);

/** What the schema says of the table at a path, in which "*" stands for any name. */
export function tableAt(tables, path) {
  return tables.find(({ path: known }) => known.length === path.length && known.every((part, place) => part === "*" || part === path[place]));
}

const labelOf = (name) => name.replace(/_s$/, " (s)").replace(/_usd$/, " (USD)").replaceAll("_", " ");

/** A field of kit.js for a key. Secrets have none: they belong into the vault. */
export function fieldOf({ name, meaning, type, optional = false, required = false, choices = [], minimum: min = null, maximum: max = null, restart = false }) {
  const hint = restart ? `${meaning} (${t("config-restart")})` : meaning;
  const field = { name, label: labelOf(name), hint, required, min, max, type: TYPES[type] ?? (LONG.has(name) ? "textarea" : "text") };
  if (type === "integer") field.step = 1;
  const values = type === "truth" ? ["true", "false"] : choices;
  if (type === "choice" || (type === "truth" && optional)) {
    Object.assign(field, { type: "select", options: optional ? [{ value: "", label: t("config-unset") }, ...values] : values });
  }
  return field;
}

/** The value of a key as its field shows it. */
function shown({ type, optional }, value) {
  if (type === "truth" && optional) return value === null ? "" : String(value);
  if (type !== "table") return value;
  return Object.entries(value ?? {}).map(([name, each]) => `${name} = ${Array.isArray(each) ? each.join(", ") : each}`).join("\n");
}

/** What a field says, as a value of its key. */
function read({ type, optional, lists }, value) {
  if (optional && value === "") return null;
  if (type === "truth" && optional) return value === "true";
  if (type !== "table") return value;
  const pairs = value.split("\n").filter((line) => line.trim()).map((line) => /^\s*([^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? ["", line.trim(), ""]);
  return Object.fromEntries(pairs.map(([, name, text]) => [name, lists ? text.split(",").map((each) => each.trim()).filter(Boolean) : text]));
}

/** What differs from `before`, by key. */
function changed(keys, before, values) {
  const pairs = keys.map((key) => [key.name, read(key, values[key.name])]);
  return Object.fromEntries(pairs.filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name] ?? null)));
}

/** A form of some or all keys of a table, given as they are in force; `onsubmit(changes)` gets what was changed, by key. */
export function tableForm({ table, values, names = null, onsubmit, more = [], ...rest }) {
  const keys = table.keys.filter(({ name, type }) => type !== "secret" && (!names || names.includes(name)));
  const before = Object.fromEntries(keys.map((key) => [key.name, values?.[key.name] ?? key.default ?? null]));
  const given = Object.fromEntries(keys.map((key) => [key.name, shown(key, before[key.name])]));
  const save = (all) => onsubmit(changed(keys, before, all), all);
  return form({ fields: [...more, ...keys.map(fieldOf)], values: given, onsubmit: save, ...rest });
}

/** Set keys of a table, by their names; null takes one away. */
export function setKeys(app, path, changes) {
  const edits = Object.entries(changes).map(([name, value]) => ({ path: [...path, name], value }));
  return edits.length ? app.rpc.call("config.set", { changes: edits }) : null;
}
