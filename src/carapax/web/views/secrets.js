// Secrets: which there are, who may use each, and new ones. A value leaves the page once, and never comes back.

import { badge, button, card, form, formatMoment, h, legible, Page, rowButtons, t, table } from "../kit.js";

const PROVIDER = "provider:";

export class Secrets extends Page {
  async load() {
    Object.assign(this, await this.app.rpc.call("secret.list"));
    this.draw();
  }

  draw() {
    this.actions(button(t("secrets-add"), () => this.open(""), { tone: "primary", icon: "plus" }));
    const columns = [
      { title: t("name"), cell: ({ name }) => h("code", null, name) },
      { title: t("secrets-users"), cell: ({ name }) => this.#users(name) },
      { title: t("secrets-changed"), cell: ({ changed_at: at }) => (at ? formatMoment(at) : t("models-unknown")) },
      { title: t("actions"), cell: ({ name }) => this.#buttons(name), className: "buttons" },
    ];
    const key = ({ name }) => name;
    const missing = this.uses.filter(({ secret }) => !this.secrets.some(({ name }) => name === secret));
    const lack = (name) => [badge(t("secrets-missing"), "warn"), h("code", null, name), this.#users(name)];
    const notes = missing.map(({ secret }) => h("p", { class: "note" }, lack(secret)));
    const list = table({ caption: t("screen-secrets"), columns, rows: this.secrets, empty: t("secrets-none"), key });
    this.put(this.opened !== null && this.#form(), notes, list);
  }

  /** Who gets it: a provider of models, or agents by a credential. */
  #users(name) {
    if (name.startsWith(PROVIDER)) return t("secrets-of-provider", { name: legible(name.slice(PROVIDER.length)) });
    const used = ({ credential, agents, hosts, env }) => {
      const where = [...hosts, env && `$${env}`].filter(Boolean).join(", ");
      return t("secrets-of-agents", { credential, agents: agents.join(", ") || "—", where: where || "—" });
    };
    return this.uses.filter(({ secret }) => secret === name).map(used).join("\n") || "—";
  }

  #buttons(name) {
    const change = button(t("secrets-change"), () => this.open(name));
    return rowButtons(change, button(t("remove"), () => this.#remove(name), { tone: "danger" }));
  }

  #form() {
    const isNew = !this.opened;
    const named = { name: "name", label: t("name"), hint: t("secrets-name-hint"), maxlength: 200 };
    const name = { ...named, required: true, spellcheck: "false" };
    const given = { name: "value", label: t("secrets-value"), hint: t("models-key-note"), type: "password" };
    const value = { ...given, required: true, autocomplete: "new-password" };
    const onsubmit = async (typed) => {
      await this.app.rpc.call("secret.set", { name: this.opened, ...typed });
      await this.refresh();
      this.open(null);
    };
    const label = isNew ? t("secrets-add") : t("secrets-change-of", { name: this.opened });
    const fields = isNew ? [name, value] : [value];
    return card(label, form({ fields, onsubmit, cancel: () => this.open(null), label }));
  }

  async #remove(name) {
    const users = this.#users(name);
    const text = users === "—" ? t("secrets-remove-sure", { name }) : t("secrets-remove-used", { name, users });
    await this.sure(t("remove-of", { name }), text, t("remove"), async () => {
      await this.app.rpc.call("secret.remove", { name });
      await this.refresh();
    });
  }
}
