// Tools: what agents can do, the rules about that, and what would be decided about a call.

import { setConfig, setKeys, sparse, tableAt, tableForm } from "../configform.js";
import { badge, button, card, form, h, iconButton, legible, Page, rowButtons, t, table, tabs } from "../kit.js";

const TONES = { allow: "ok", ask: "warn", deny: "bad" };
const RULES = ["policy", "rules"];
const stack = (...parts) => h("div", { class: "stack" }, parts);
const badges = (tag, effects) => h(tag, { class: "badges" }, effects.map((effect) => badge(effect)));
const remedy = (text) => h("p", { class: "remedy" }, text);

export class Tools extends Page {
  #edited = h("div");

  async load() {
    const [{ tools }, { tables }, { config }] = await this.calls("tools.catalogue", "config.schema", "config.get");
    Object.assign(this, { tools, tables, config, rules: config.policy.rules });
    this.draw();
  }

  draw() {
    const parts = { tools: () => this.#tools(), rules: () => this.#rules(), trial: () => this.#trial() };
    const all = Object.entries(parts).map(([name, content]) => ({ name, label: t(`tools-${name}`), content }));
    this.put(tabs(all, this.shown ?? this.path));
  }

  #tools() {
    const about = (text) => h("p", { class: "remedy clamp" }, legible(text));
    const columns = [
      { title: t("tools-tool"), cell: ({ name, description }) => [h("code", null, name), about(description)] },
      { title: t("may"), cell: ({ effects }) => badges("span", effects) },
      { title: t("tools-source"), cell: ({ source }) => t(`source-${source ?? "none"}`) },
      { title: t("screen-agents"), cell: ({ agents }) => agents.join(", ") },
      { title: t("from"), cell: moduleName },
      { title: t("actions"), cell: (tool) => this.#settings(tool), className: "buttons" },
    ];
    const list = table({ caption: t("tools-tools"), columns, rows: this.tools, key: ({ name }) => name });
    return stack(this.#edited, list);
  }

  #settings({ name, settings: values }) {
    const about = tableAt(this.tables, ["tools", name]);
    if (!about?.keys.length) return "";
    const cancel = () => this.#edited.replaceChildren();
    const onsubmit = async (changes) => {
      await setKeys(this.app, ["tools", name], changes);
      cancel();
      await this.refresh();
    };
    const made = () => card(name, tableForm({ table: about, values, onsubmit, cancel, label: name }));
    return button(t("screen-settings"), () => this.#edited.replaceChildren(made()));
  }

  #rules() {
    const index = (rule) => this.rules.indexOf(rule);
    const columns = [
      { title: t("tools-rule"), cell: (rule) => String(index(rule) + 1) },
      { title: t("tools-verdict"), cell: ({ verdict }) => badge(t(`verdict-${verdict}`), TONES[verdict]) },
      { title: t("tools-about"), cell: ruleText },
      { title: t("tools-reason"), cell: ({ reason }) => legible(reason) },
      { title: t("actions"), cell: (rule) => this.#ruleButtons(index(rule)), className: "buttons" },
    ];
    const [empty, key] = [t("tools-no-rules"), (rule) => String(index(rule))];
    const onsubmit = (changes) => this.#change(() => setKeys(this.app, ["policy"], changes));
    const given = { table: tableAt(this.tables, ["policy"]), values: this.config.policy, label: t("tools-policy") };
    const add = () => this.#edit(this.rules.length);
    return stack(
      remedy(t("tools-order")),
      this.opened !== null && this.#ruleForm(this.opened),
      table({ caption: t("tools-rules"), columns, rows: this.rules, empty, key }),
      h("div", null, button(t("tools-rule-add"), add, { tone: "primary", icon: "plus" })),
      card(t("tools-policy"), tableForm({ ...given, onsubmit })),
    );
  }

  #ruleButtons(index) {
    const move = (to) => this.#setRules(this.rules.toSpliced(index, 1).toSpliced(to, 0, this.rules[index]));
    const up = index > 0 && iconButton("down", t("tools-up"), () => move(index - 1), { class: "up" });
    const down = index < this.rules.length - 1 && iconButton("down", t("tools-down"), () => move(index + 1));
    const edit = iconButton("pen", t("tools-rule-edit"), () => this.#edit(index));
    return rowButtons(up, down, edit, iconButton("trash", t("tools-rule-remove"), () => this.#removeRule(index)));
  }

  #ruleForm(index) {
    const label = t(index < this.rules.length ? "tools-rule-edit" : "tools-rule-add");
    const values = this.rules[index] ?? { verdict: "ask" };
    const onsubmit = (changes) => {
      const patterns = Object.entries(changes.arguments ?? values.arguments ?? {});
      const texts = Object.fromEntries(patterns.map(([name, each]) => [name, String(each)]));
      return this.#setRules(this.rules.toSpliced(index, 1, { ...values, ...changes, arguments: texts }));
    };
    const about = tableAt(this.tables, [...RULES, "*"]);
    return card(label, tableForm({ table: about, values, onsubmit, cancel: () => this.#edit(null), label }));
  }

  #edit(index) {
    this.shown = "rules";
    this.open(index);
  }

  #removeRule(index) {
    const remove = () => this.#setRules(this.rules.toSpliced(index, 1));
    return this.sure(t("tools-rule-remove"), ruleText(this.rules[index]), t("tools-rule-remove"), remove);
  }

  #setRules(rules) {
    const { keys } = tableAt(this.tables, [...RULES, "*"]);
    return this.#change(() => setConfig(this.app, [RULES, rules.map((rule) => sparse(keys, rule))]));
  }

  async #change(work) {
    await work();
    this.opened = null;
    this.shown = "rules";
    await this.refresh();
    this.app.announce(t("config-saved"));
  }

  #trial() {
    const told = h("div", { role: "status" });
    const given = { name: "given", label: t("arguments"), hint: t("tools-given-hint"), type: "textarea" };
    const fields = [
      { name: "tool", label: t("tools-tool"), type: "select", options: this.tools.map(({ name }) => name) },
      { ...given, required: true, spellcheck: "false" },
      { name: "agent", label: t("agent"), type: "select", options: this.app.agents.map(({ name }) => name) },
      { name: "tainted", label: t("tools-tainted"), type: "checkbox" },
    ];
    const onsubmit = async ({ given: text, ...rest }) => {
      told.replaceChildren();
      const call = { ...rest, arguments: argumentsOf(rest.tool, text) };
      told.replaceChildren(verdictCard(await this.app.rpc.call("policy.test", call)));
    };
    const values = { tool: "shell", given: "git push origin main", agent: this.app.agents[0]?.name };
    const trial = form({ fields, values, onsubmit, submit: t("tools-try"), label: t("tools-trial") });
    return stack(remedy(t("tools-trial-text")), trial, told);
  }
}

const moduleName = ({ module }) => (module.startsWith("carapax.") ? t("tools-ours") : h("code", null, module));

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
  const known = runs.map(({ text, why }) => t("tools-runs", { text: legible(text), why: why && `(${why})` }));
  const lines = [...known, ...unclear.map((why) => t("tools-unclear", { why }))];
  const why = h("p", null, badge(rule, TONES[verdict]), " ", legible(reason));
  return card(t(`verdict-${verdict}`), why, badges("p", effects), lines.map(remedy));
}

function ruleText({ tool, commands, arguments: given, agents, tainted }) {
  const patterns = Object.entries(given).map(([name, pattern]) => `${name}: ${pattern}`);
  const parts = [tool, ...commands.map((command) => `“${command}”`), ...patterns];
  if (agents.join() !== "*") parts.push(t("tools-of-agents", { agents: agents.join(", ") }));
  if (tainted !== null) parts.push(t(tainted ? "tools-when-tainted" : "tools-when-clean"));
  return legible(parts.join(" · "));
}
