// Forms for tables of carapax.toml, made from what `config.schema` says of their keys.

import { form } from "./kit.js";
import { t } from "./strings.js";

export const ANY = "*";
const TYPES = { integer: "number", number: "number", truth: "checkbox", list: "list", table: "textarea" };
const LONG = new Set(["persona", "manner", "description"]);

export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
export const fits = (pattern, path) => path.every((name, at) => pattern[at] === name || pattern[at] === ANY);

/** What the schema says of the table at a path, or of those that have a name of their own there. */
export function tableAt(tables, path) {
  const all = tables.filter((one) => one.path.length === path.length && fits(one.path, path));
  return all.find((one) => same(one.path, path)) ?? all[0];
}

const labelOf = (name) => name.replace(/_s$/, " (s)").replace(/_usd$/, " (USD)").replaceAll("_", " ");

/** A field of kit.js for a key. Secrets have none: they belong into the vault. */
function fieldOf({ name, meaning, type, optional, required, choices = [], minimum, maximum, restart }) {
  const hint = restart ? `${meaning} (${t("config-restart")})` : meaning;
  const field = { name, label: labelOf(name), hint, required, min: minimum, max: maximum, type: TYPES[type] ?? "text" };
  if (type === "integer") field.step = 1;
  if (field.type === "text" && LONG.has(name)) field.type = "textarea";
  if (type !== "choice" && !(type === "truth" && optional)) return field;
  const values = [...(optional ? [""] : []), ...(type === "truth" ? ["true", "false"] : choices)];
  return { ...field, type: "select", options: values.map((value) => ({ value, label: value || t("config-unset") })) };
}

const inForce = ({ name, default: usual = null }, table) => table?.[name] ?? usual;
const mapped = (keys, valueOf) => Object.fromEntries(keys.map((key) => [key.name, valueOf(key)]));

/** The values of a table as fields show them. */
function toFields(keys, table) {
  return mapped(keys, (key) => {
    const value = inForce(key, table);
    if (key.type === "truth" && key.optional) return value === null ? "" : String(value);
    if (key.type !== "table") return value;
    const text = (each) => (key.lists ? each.join(", ") : isPlain(each) ? each : JSON.stringify(each));
    return Object.entries(value ?? {}).map(([name, each]) => `${name} = ${text(each)}`).join("\n");
  });
}

/** What fields say, as the values of a table. */
function fromFields(keys, given) {
  return mapped(keys, ({ name, type, optional, lists }) => {
    const value = given[name];
    if (optional && value === "") return null;
    if (type === "truth" && optional) return value === "true";
    if (type !== "table") return value;
    const pairs = value.split("\n").filter((line) => line.trim()).map((line) => /^([^=]*)=?(.*)$/.exec(line));
    return Object.fromEntries(pairs.map(([, key, text]) => [key.trim(), lists ? listed(text) : parsed(text.trim())]));
  });
}

/** Whether it is a text that would not be read as anything else. */
const isPlain = (value) => typeof value === "string" && parsed(value) === value;
const listed = (text) => text.split(",").map((each) => each.trim()).filter(Boolean);

/** JSON, or a text that is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const differing = (table, other) =>
  Object.fromEntries(Object.entries(table).filter(([name, value]) => !same(value, other[name])));

/** A table without what goes without saying. */
export const sparse = (keys, table) => differing(table, mapped(keys, (key) => inForce(key, null)));

/** A form of some or all keys of a table, given as they are in force; `onsubmit(changes, all)` gets what was changed,
 * by key. `about(key)` may say more of a field. */
export function tableForm({ table, values, names = null, onsubmit, more = [], about = () => ({}), ...rest }) {
  const keys = table.keys.filter(({ name, type }) => type !== "secret" && (!names || names.includes(name)));
  const before = mapped(keys, (key) => inForce(key, values));
  const save = (all) => onsubmit(differing(fromFields(keys, all), before), all);
  const fields = [...more, ...keys.map((key) => ({ ...fieldOf(key), ...about(key) }))];
  return form({ fields, values: toFields(keys, values), onsubmit: save, ...rest });
}

/** Set values at [path, value] pairs; null takes away what is there. */
export function setConfig(app, ...pairs) {
  return pairs.length ? app.rpc.call("config.set", { changes: pairs.map(([path, value]) => ({ path, value })) }) : null;
}

/** Set keys of a table, by their names. */
export function setKeys(app, path, changes) {
  return setConfig(app, ...Object.entries(changes).map(([name, value]) => [[...path, name], value]));
}
