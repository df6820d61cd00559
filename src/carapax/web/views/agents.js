// Agents: who there is, how they are, and everything about each of them that can be changed.

import { setConfig, setKeys, tableAt, tableForm } from "../configform.js";
import { badge, button, card, form, formatUsd, h, legible, Page, t, table, tabs } from "../kit.js";

const DAYS = 30;
const NAME = { name: "name", type: "text", required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*" };
const FIRST = ["title", "emoji", "manner", "description", "model"];

export class Agents extends Page {
  async load() {
    await this.app.loadAgents();
    const asked = ["costs.get", { by: "agent", days: DAYS }];
    const [costs, { tables }, { config }] = await this.calls(asked, "config.schema", "config.get");
    Object.assign(this, { costs, tables, config });
    const agent = this.app.agents.find(({ name }) => name === this.path);
    await (agent ? this.#one(agent) : this.draw());
  }

  draw() {
    if (this.opened !== null) return this.put(card(t("agents-add"), this.#newForm()));
    this.actions(button(t("agents-add"), () => this.open(""), { tone: "primary", icon: "plus" }));
    const spent = ({ name }) => this.costs.groups.find((group) => group.name === name)?.tally.cost_usd ?? 0;
    const link = ({ name, title }) => h("a", { href: `#/agents/${encodeURIComponent(name)}` }, title || name);
    const about = (agent) => [agent.emoji, " ", link(agent), h("p", { class: "remedy" }, agent.description)];
    const columns = [
      { title: t("agent"), cell: about },
      { title: t("model"), cell: ({ model, model_reason: why }) => h("span", { title: why }, model) },
      { title: t("state"), cell: stateOf },
      { title: t("agents-spent", { days: DAYS }), cell: (agent) => formatUsd(spent(agent)), className: "to-right" },
    ];
    this.put(table({ caption: t("screen-agents"), columns, rows: this.app.agents, key: ({ name }) => name }));
  }

  #newForm() {
    const onsubmit = async (changes, { name }) => {
      await setConfig(this.app, [["agents", name], changes]);
      this.opened = null;
      location.hash = `#/agents/${encodeURIComponent(name)}`;
    };
    const more = [{ ...NAME, label: t("name"), hint: t("agents-name-hint") }];
    const about = tableAt(this.tables, ["agents", "*"]);
    const cancel = () => this.open(null);
    return tableForm({ table: about, values: {}, names: FIRST, more, onsubmit, cancel, label: t("agents-add") });
  }

  async #one(agent) {
    const { name } = agent;
    const asked = [this.call("agent.persona", { agent: name }), this.call("workspace.stains", { agent: name })];
    const [persona, stained, tools] = await Promise.all([...asked, this.call("tools.catalogue")]);
    const isLast = this.app.agents.length === 1;
    const remove = button(t("remove"), () => this.#remove(name), { tone: "danger", disabled: isLast });
    this.actions(h("a", { class: "button", href: "#/agents" }, t("all-agents")), remove);
    const own = (tools?.tools ?? []).filter(({ agents }) => agents.includes(name));
    const { [name]: config } = this.config.agents;
    const parts = {
      about: () => this.#about(agent, stained),
      persona: () => this.#persona(agent, persona),
      settings: () => this.#form(["agents", name], config),
      egress: () => this.#form(["agents", name, "egress"], config?.egress),
      tools: () => h("ul", { class: "facts-list" }, own.map(toolItem)),
    };
    const all = Object.entries(parts).map(([part, content]) => ({ name: part, label: t(`agents-${part}`), content }));
    this.put(h("h2", null, agent.emoji, " ", agent.title || name), tabs(all));
  }

  #about(agent, stained) {
    const { sandbox, sandbox_ok: isWell, sandbox_detail: detail, running, instructions } = agent;
    const level = this.config.sandboxes[sandbox]?.level ?? "strict";
    const budgets = this.costs.budgets.filter((budget) => budget.agent === agent.name);
    const spent = ({ spent_usd: sum, limit_usd: limit }) => ({ spent: formatUsd(sum), limit: formatUsd(limit) });
    const session = (id) => h("a", { href: `#/s/${id}` }, t("activity-session"));
    const well = isWell ? badge(t("health-ok"), "ok") : badge(legible(detail), "bad");
    const rows = [
      [t("model"), h("a", { href: "#/models" }, agent.model), legible(agent.model_reason)],
      [t("state"), stateOf(agent), running.map(session)],
      [t("wizard-sandbox"), `${sandbox}, ${level}`, well],
      ...budgets.map((budget) => [t(`costs-${budget.period}`), t("costs-spent", spent(budget))]),
      ...instructions.map((file) => [t("agents-file"), h("code", null, file.name), legible(file.problem)]),
    ];
    const told = (what) => h("dd", null, what.flat().map((each) => [each, " "]));
    const facts = rows.map(([name, ...what]) => h("div", null, h("dt", null, name), told(what)));
    const stains = stained?.paths.length + stained?.left_out.length > 0 && this.#stains(agent.name, stained);
    return h("div", { class: "stack" }, h("dl", { class: "facts-list" }, facts), stains);
  }

  #stains(agent, { paths, left_out: leftOut }) {
    const vouch = async (path) => {
      const read = leftOut.filter(({ name }) => !path || name === path);
      const texts = read.map(({ name, text }) => [h("code", null, name), h("pre", { tabindex: 0 }, text)]);
      const sure = h("p", null, t("agents-vouch-sure", { path: path || "/" }));
      const content = h("div", { class: "vouching inside" }, sure, texts);
      if (!(await this.app.ask(t("vouch-title"), content, t("vouch")))) return;
      const seen = Object.fromEntries(read.map(({ name, digest }) => [name, digest]));
      await this.app.rpc.call("workspace.vouch", { agent, path, seen }).finally(() => this.refresh());
    };
    const name = (path) => h("code", null, legible(path || "/"));
    const item = (path) => h("li", { dataset: { key: path } }, name(path), button(t("vouch"), () => vouch(path)));
    const about = h("p", { class: "remedy" }, t("agents-stained-text"));
    const all = new Set([...paths, ...leftOut.map((file) => file.name)]);
    return card(t("agents-stained"), about, h("ul", { class: "facts-list" }, [...all].map(item)));
  }

  #persona({ name }, persona) {
    if (!persona) return h("p", null, t("may-not-answer"));
    const hint = t("agents-persona-hint", { file: persona.file });
    const text = { name: "text", label: t("agents-persona"), hint, type: "textarea", rows: 14, maxlength: 20_000 };
    const onsubmit = async (given) => {
      await this.app.rpc.call("agent.set_persona", { agent: name, ...given });
      await this.#saved();
    };
    return form({ fields: [text], values: persona, onsubmit, label: t("agents-persona") });
  }

  #form(path, values) {
    const onsubmit = async (changes) => {
      await setKeys(this.app, path, changes);
      await this.#saved();
    };
    return tableForm({ table: tableAt(this.tables, path), values, onsubmit, label: path.join(".") });
  }

  async #saved() {
    await this.refresh();
    this.app.announce(t("config-saved"));
  }

  #remove(name) {
    return this.sure(t("remove-of", { name }), t("agents-remove-sure"), t("remove"), async () => {
      await setConfig(this.app, [["agents", name], null]);
      location.hash = "#/agents";
    });
  }
}

function stateOf({ sandbox_ok: isWell, running }) {
  if (running.length) return badge(t("state-running"), "ok");
  return isWell ? badge(t("state-idle"), "quiet") : badge(t("agents-no-sandbox"), "bad");
}

const toolItem = ({ name, effects }) => h("li", null, h("code", null, name), effects.map((each) => badge(each)));
