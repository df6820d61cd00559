// Agents: who there is, how they are, and everything about each of them that can be changed.

import { setKeys, tableAt, tableForm } from "../configform.js";
import { h } from "../dom.js";
import { formatUsd, legible } from "../format.js";
import { badge, button, card, confirmed, form, Page, table, tabs } from "../kit.js";
import { t } from "../strings.js";

const DAYS = 30;
const NAME = { name: "name", type: "text", required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*" };

export class Agents extends Page {
  #isAdding = false;

  async load() {
    await this.app.loadAgents();
    const [costs, schema, configured] = await Promise.all([this.call("costs.get", { by: "agent", days: DAYS }), this.call("config.schema"), this.call("config.get")]);
    if (!costs || !schema || !configured) return;
    Object.assign(this, { costs, tables: schema.tables, config: configured.config });
    const agent = this.app.agents.find(({ name }) => name === this.path);
    await (agent ? this.#one(agent) : this.#all());
  }

  #all() {
    if (this.#isAdding) return this.put(card(t("agents-add"), this.#newForm()));
    this.actions(button(t("agents-add"), () => this.#add(true), { tone: "primary", icon: "plus" }));
    const spent = ({ name }) => formatUsd(this.costs.groups.find((group) => group.name === name)?.tally.cost_usd ?? 0);
    const columns = [
      { title: t("agent"), cell: (agent) => [agent.emoji, " ", h("a", { href: `#/agents/${encodeURIComponent(agent.name)}` }, agent.title || agent.name), h("p", { class: "remedy" }, agent.description)] },
      { title: t("model"), cell: ({ model, model_reason: why }) => h("span", { title: why }, model) },
      { title: t("agents-state"), cell: stateOf },
      { title: t("agents-spent", { days: DAYS }), cell: spent, className: "to-right" },
    ];
    this.put(table({ caption: t("screen-agents"), columns, rows: this.app.agents, key: ({ name }) => name }));
  }

  #add(isAdding) {
    this.#isAdding = isAdding;
    return this.refresh();
  }

  #newForm() {
    const values = tableAt(this.tables, ["agents", "*"]);
    const onsubmit = async (changes, { name }) => {
      await this.app.rpc.call("config.set", { changes: [{ path: ["agents", name], value: changes }] });
      this.#isAdding = false;
      location.hash = `#/agents/${encodeURIComponent(name)}`;
    };
    const names = ["title", "emoji", "manner", "description", "model"];
    const more = [{ ...NAME, label: t("agents-name"), hint: t("agents-name-hint") }];
    return tableForm({ table: values, values: {}, names, more, onsubmit, cancel: () => this.#add(false), label: t("agents-add") });
  }

  async #one(agent) {
    const { name } = agent;
    const [persona, stained, tools] = await Promise.all([this.call("agent.persona", { agent: name }), this.call("workspace.stains", { agent: name }), this.call("tools.catalogue")]);
    const remove = () => this.#remove(name);
    const isLast = this.app.agents.length === 1;
    this.actions(h("a", { class: "button", href: "#/agents" }, t("agents-all")), button(t("agents-remove"), remove, { tone: "danger", disabled: isLast }));
    const parts = {
      about: () => this.#about(agent, stained),
      persona: () => this.#persona(agent, persona),
      settings: () => this.#settings(name),
      egress: () => this.#form(["agents", name, "egress"], this.config.agents[name]?.egress),
      tools: () => h("ul", { class: "facts-list" }, (tools?.tools ?? []).filter(({ agents }) => agents.includes(name)).map(toolItem)),
    };
    const all = Object.entries(parts).map(([part, content]) => ({ name: part, label: t(`agents-${part}`), content }));
    this.put(h("h2", null, agent.emoji, " ", agent.title || name), tabs(all));
  }

  #about(agent, stained) {
    const { sandbox, sandbox_ok: isWell, sandbox_detail: detail, running, instructions } = agent;
    const level = this.config.sandboxes[sandbox]?.level ?? "strict";
    const budgets = this.costs.budgets.filter((budget) => budget.agent === agent.name);
    const rows = [
      [t("model"), h("a", { href: "#/models" }, agent.model), legible(agent.model_reason)],
      [t("agents-state"), stateOf(agent), running.map((id) => h("a", { href: `#/s/${id}` }, t("activity-session")))],
      [t("agents-sandbox"), `${sandbox}, ${level}`, badge(isWell ? t("health-ok") : legible(detail), isWell ? "ok" : "bad")],
      ...budgets.map((budget) => [t(`costs-${budget.period}`), t("costs-spent", { spent: formatUsd(budget.spent_usd), limit: formatUsd(budget.limit_usd) })]),
      ...instructions.map((file) => [t("agents-file"), h("code", null, file.name), legible(file.problem)]),
    ];
    const facts = h("dl", { class: "facts-list" }, rows.map(([name, ...what]) => h("div", null, h("dt", null, name), h("dd", null, what.flat().map((each) => [each, " "])))));
    return h("div", { class: "stack" }, facts, stained?.paths.length > 0 && this.#stains(agent.name, stained.paths));
  }

  #stains(agent, paths) {
    const vouch = async (path) => {
      if (!(await confirmed(this.app, t("vouch-title"), t("agents-vouch-sure", { path: path || "/" }), t("vouch")))) return;
      await this.app.rpc.call("workspace.vouch", { agent, path });
      await this.refresh();
    };
    const item = (path) => h("li", { dataset: { key: path } }, h("code", null, legible(path || "/")), button(t("vouch"), () => vouch(path)));
    return card(t("agents-stained"), h("p", { class: "remedy" }, t("agents-stained-text")), h("ul", { class: "facts-list" }, paths.map(item)));
  }

  #persona({ name }, persona) {
    if (!persona) return h("p", null, t("may-not-answer"));
    const fields = [{ name: "text", label: t("agents-persona"), hint: t("agents-persona-hint", { file: persona.file }), type: "textarea", rows: 14, maxlength: 20_000 }];
    const onsubmit = async ({ text }) => {
      await this.app.rpc.call("agent.set_persona", { agent: name, text });
      this.#saved();
    };
    return form({ fields, values: persona, onsubmit, label: t("agents-persona") });
  }

  #settings(name) {
    return this.#form(["agents", name], this.config.agents[name]);
  }

  #form(path, values) {
    const onsubmit = async (changes) => {
      await setKeys(this.app, path, changes);
      this.#saved();
    };
    return tableForm({ table: tableAt(this.tables, path), values, onsubmit, label: path.join(".") });
  }

  #saved() {
    this.app.announce(t("config-saved"));
    this.refresh();
  }

  async #remove(name) {
    if (!(await confirmed(this.app, t("agents-remove-of", { name }), t("agents-remove-sure"), t("agents-remove")))) return;
    await this.app.rpc.call("config.set", { changes: [{ path: ["agents", name], value: null }] });
    location.hash = "#/agents";
  }
}

function stateOf({ sandbox_ok: isWell, running }) {
  if (running.length) return badge(t("running"), "ok");
  return isWell ? badge(t("agents-idle"), "quiet") : badge(t("agents-no-sandbox"), "bad");
}

const toolItem = ({ name, effects }) => h("li", null, h("code", null, name), effects.map((effect) => badge(effect)));
