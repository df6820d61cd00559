// Secrets: which there are, who may use each, and new ones. A value leaves the page once, and never comes back.

import { h } from "../dom.js";
import { formatMoment, legible } from "../format.js";
import { badge, button, card, confirmed, form, Page, table } from "../kit.js";
import { t } from "../strings.js";

const PROVIDER = "provider:";

export class Secrets extends Page {
  #chosen = null;

  async load() {
    const kept = await this.call("secret.list");
    if (!kept) return;
    this.secrets = kept.secrets;
    this.uses = kept.uses;
    this.#draw();
  }

  #draw() {
    this.actions(button(t("secrets-add"), () => this.#choose(""), { tone: "primary", icon: "plus" }));
    const columns = [
      { title: t("secrets-name"), cell: ({ name }) => h("code", null, name) },
      { title: t("secrets-users"), cell: ({ name }) => this.#users(name) },
      { title: t("secrets-changed"), cell: ({ changed_at: at }) => (at ? formatMoment(at) : t("models-unknown")) },
      { title: t("actions"), cell: ({ name }) => this.#buttons(name), className: "buttons" },
    ];
    const key = ({ name }) => name;
    const missing = this.uses.filter(({ secret }) => !this.secrets.some(({ name }) => name === secret));
    this.put(
      this.#chosen !== null && this.#form(),
      missing.map(({ secret }) => h("p", { class: "note" }, badge(t("secrets-missing"), "warn"), h("code", null, secret), this.#users(secret))),
      table({ caption: t("screen-secrets"), columns, rows: this.secrets, empty: t("secrets-none"), key }),
    );
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
    const change = button(t("secrets-change"), () => this.#choose(name));
    return h("div", { class: "actions" }, change, button(t("secrets-remove"), () => this.#remove(name), { tone: "danger" }));
  }

  #choose(name) {
    this.#chosen = name;
    this.#draw();
    this.content.querySelector(name ? "input[type=password]" : "input")?.focus();
  }

  #form() {
    const isNew = !this.#chosen;
    const name = { name: "name", label: t("secrets-name"), hint: t("secrets-name-hint"), required: true, maxlength: 200, spellcheck: "false" };
    const value = { name: "value", label: t("secrets-value"), hint: t("models-key-note"), type: "password", required: true, autocomplete: "new-password" };
    const onsubmit = async (given) => {
      await this.app.rpc.call("secret.set", { name: this.#chosen, ...given });
      this.#close();
    };
    const title = isNew ? t("secrets-add") : t("secrets-change-of", { name: this.#chosen });
    return card(title, form({ fields: isNew ? [name, value] : [value], onsubmit, cancel: () => this.#close(), label: title }));
  }

  #close() {
    this.#chosen = null;
    this.actionBar.querySelector("button").focus();
    return this.refresh();
  }

  async #remove(name) {
    const users = this.#users(name);
    const text = users === "—" ? t("secrets-remove-sure", { name }) : t("secrets-remove-used", { name, users });
    if (!(await confirmed(this.app, t("secrets-remove-of", { name }), text, t("secrets-remove")))) return;
    await this.app.rpc.call("secret.remove", { name });
    await this.refresh();
  }

  escape() {
    if (this.#chosen === null) return false;
    this.#close();
    return true;
  }
}
