// Tools: what agents can do, the rules about that, and what would be decided about a call.

import { setKeys, tableAt, tableForm } from "../configform.js";
import { h, iconButton } from "../dom.js";
import { legible } from "../format.js";
import { badge, button, card, confirmed, form, Page, table, tabs } from "../kit.js";
import { t } from "../strings.js";

const TONES = { allow: "ok", ask: "warn", deny: "bad" };
const RULES = ["policy", "rules"];

export class Tools extends Page {
  #editing = null;
  #edited = h("div");

  async load() {
    const [catalogue, schema, configured] = await Promise.all([this.call("tools.catalogue"), this.call("config.schema"), this.call("config.get")]);
    if (!catalogue || !schema || !configured) return;
    Object.assign(this, { tools: catalogue.tools, tables: schema.tables, config: configured.config });
    this.defaults = Object.fromEntries(tableAt(this.tables, [...RULES, "*"]).keys.map((key) => [key.name, key.default ?? null]));
    this.rules = configured.config.policy.rules;
    this.#draw();
  }

  #draw() {
    const parts = { tools: () => this.#tools(), rules: () => this.#rules(), trial: () => this.#trial() };
    this.put(tabs(Object.entries(parts).map(([name, content]) => ({ name, label: t(`tools-${name}`), content })), this.shown ?? this.path));
  }

  #tools() {
    const columns = [
      { title: t("tools-tool"), cell: ({ name, description }) => [h("code", null, name), h("p", { class: "remedy clamp" }, legible(description))] },
      { title: t("tools-effects"), cell: ({ effects }) => h("span", { class: "badges" }, effects.map((effect) => badge(effect))) },
      { title: t("tools-source"), cell: ({ source }) => t(`source-${source ?? "none"}`) },
      { title: t("tools-agents"), cell: ({ agents }) => agents.join(", ") },
      { title: t("tools-module"), cell: ({ module }) => (module.startsWith("carapax.") ? t("tools-ours") : h("code", null, module)) },
      { title: t("actions"), cell: (tool) => this.#settings(tool), className: "buttons" },
    ];
    return h("div", { class: "stack" }, this.#edited, table({ caption: t("tools-tools"), columns, rows: this.tools, key: ({ name }) => name }));
  }

  #settings({ name, settings }) {
    const about = tableAt(this.tables, ["tools", name]);
    if (!about?.keys.length) return "";
    const onsubmit = async (changes) => {
      await setKeys(this.app, ["tools", name], changes);
      this.#edited.replaceChildren();
      await this.refresh();
    };
    const cancel = () => this.#edited.replaceChildren();
    const open = () => this.#edited.replaceChildren(card(name, tableForm({ table: about, values: settings, onsubmit, cancel, label: name })));
    return button(t("tools-settings"), open);
  }

  #rules() {
    const columns = [
      { title: t("tools-rule"), cell: (rule) => String(this.rules.indexOf(rule) + 1) },
      { title: t("tools-verdict"), cell: ({ verdict }) => badge(t(`verdict-${verdict}`), TONES[verdict]) },
      { title: t("tools-about"), cell: ruleText },
      { title: t("tools-reason"), cell: ({ reason }) => legible(reason) },
      { title: t("actions"), cell: (rule) => this.#ruleButtons(this.rules.indexOf(rule)), className: "buttons" },
    ];
    const shown = table({ caption: t("tools-rules"), columns, rows: this.rules, empty: t("tools-no-rules"), key: (rule) => String(this.rules.indexOf(rule)) });
    const onsubmit = (changes) => this.#change(() => setKeys(this.app, ["policy"], changes));
    const policy = tableForm({ table: tableAt(this.tables, ["policy"]), values: this.config.policy, onsubmit, label: t("tools-policy") });
    const add = button(t("tools-rule-add"), () => this.#edit(this.rules.length), { tone: "primary", icon: "plus" });
    const edited = this.#editing !== null && this.#ruleForm(this.#editing);
    return h("div", { class: "stack" }, h("p", { class: "remedy" }, t("tools-order")), edited, shown, h("div", null, add), card(t("tools-policy"), policy));
  }

  #ruleButtons(index) {
    const move = (to) => this.#setRules(this.rules.toSpliced(index, 1).toSpliced(to, 0, this.rules[index]));
    const up = index > 0 && iconButton("down", t("tools-up"), () => move(index - 1), { class: "up" });
    const down = index < this.rules.length - 1 && iconButton("down", t("tools-down"), () => move(index + 1));
    const edit = iconButton("pen", t("tools-rule-edit"), () => this.#edit(index));
    return h("div", { class: "actions" }, up, down, edit, iconButton("trash", t("tools-rule-remove"), () => this.#removeRule(index)));
  }

  #ruleForm(index) {
    const title = t(index < this.rules.length ? "tools-rule-edit" : "tools-rule-add");
    const onsubmit = (changes) => this.#setRules(this.rules.toSpliced(index, 1, { verdict: "ask", ...this.rules[index], ...changes }));
    const values = this.rules[index] ?? { verdict: "ask" };
    return card(title, tableForm({ table: tableAt(this.tables, [...RULES, "*"]), values, onsubmit, cancel: () => this.#edit(null), label: title }));
  }

  #edit(index) {
    this.#editing = index;
    this.shown = "rules";
    this.#draw();
    this.content.querySelector(index === null ? ".actions button" : ".form select")?.focus();
  }

  async #removeRule(index) {
    if (!(await confirmed(this.app, t("tools-rule-remove"), ruleText(this.rules[index]), t("tools-rule-remove")))) return;
    await this.#setRules(this.rules.toSpliced(index, 1));
  }

  #setRules(rules) {
    const isSaid = ([name, value]) => JSON.stringify(value) !== JSON.stringify(this.defaults[name]);
    const given = rules.map((rule) => Object.fromEntries(Object.entries(rule).filter(isSaid)));
    return this.#change(() => this.app.rpc.call("config.set", { changes: [{ path: RULES, value: given }] }));
  }

  async #change(work) {
    await work();
    this.#editing = null;
    this.shown = "rules";
    await this.refresh();
    this.app.announce(t("config-saved"));
  }

  #trial() {
    const told = h("div", { role: "status" });
    const fields = [
      { name: "tool", label: t("tools-tool"), type: "select", options: this.tools.map(({ name }) => name) },
      { name: "given", label: t("tools-given"), hint: t("tools-given-hint"), type: "textarea", required: true, spellcheck: "false" },
      { name: "agent", label: t("agent"), type: "select", options: this.app.agents.map(({ name }) => name) },
      { name: "tainted", label: t("tools-tainted"), type: "checkbox" },
    ];
    const onsubmit = async ({ given, ...rest }) => {
      told.replaceChildren();
      told.replaceChildren(verdictCard(await this.app.rpc.call("policy.test", { ...rest, arguments: argumentsOf(rest.tool, given) })));
    };
    const values = { tool: "shell", given: "git push origin main", agent: this.app.agents[0]?.name };
    return h("div", { class: "stack" }, h("p", { class: "remedy" }, t("tools-trial-text")), form({ fields, values, onsubmit, submit: t("tools-try"), label: t("tools-trial") }), told);
  }
}

/** Arguments are JSON; for the shell a command line will do. */
function argumentsOf(tool, given) {
  try {
    const value = JSON.parse(given);
    if (value && typeof value === "object") return value;
  } catch {
    // then it is a text
  }
  return tool === "shell" ? { command: given } : given;
}

function verdictCard({ verdict, rule, reason, effects, runs, unclear }) {
  const lines = [...runs.map(({ text, why }) => t("tools-runs", { text: legible(text), why: why && `(${why})` })), ...unclear.map((why) => t("tools-unclear", { why }))];
  return card(t(`verdict-${verdict}`), h("p", null, badge(rule, TONES[verdict]), " ", legible(reason)), h("p", { class: "badges" }, effects.map((effect) => badge(effect))), lines.map((line) => h("p", { class: "remedy" }, line)));
}

function ruleText({ tool, commands, arguments: given, agents, tainted }) {
  const parts = [tool, ...commands.map((command) => `“${command}”`), ...Object.entries(given).map(([name, pattern]) => `${name}: ${pattern}`)];
  if (agents.join() !== "*") parts.push(t("tools-of-agents", { agents: agents.join(", ") }));
  if (tainted !== null) parts.push(t(tainted ? "tools-when-tainted" : "tools-when-clean"));
  return legible(parts.join(" · "));
}
