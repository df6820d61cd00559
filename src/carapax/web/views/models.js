// Models: which vendors can be asked, with what key, and what they offer.

import { button, confirmed, formatMoment, formatNumber, formatUsd, h, iconButton, Page } from "../kit.js";
import { rowButtons, searchBox, t, table } from "../kit.js";
import { Offline } from "../rpc.js";
import { ProviderForm } from "./providerform.js";

const SHOWN = 200;

export class Models extends Page {
  #vendors = [];
  #offers = null;
  #checks = new Map();

  constructor(app, name) {
    super(app, name);
    this.add = button(t("models-add"), async () => this.#open(), { tone: "primary", icon: "plus" });
    this.actions(this.add);
    this.providers = h("ul", { class: "providers", "aria-label": t("models-providers") });
    this.form = h("div", { class: "adding", hidden: true });
    this.silent = h("ul", { class: "silent" });
    this.search = searchBox(t("models-search"), { oninput: () => this.#drawOffers() });
    this.count = h("span", { class: "count", role: "status" });
    this.offers = h("div");
    this.filters = h("div", { class: "filters" }, this.search, this.count);
  }

  async load() {
    const { providers, vendors } = await this.app.rpc.call("provider.list");
    this.#vendors = vendors;
    this.#offers = null;
    this.silent.replaceChildren();
    if (!this.offers.isConnected) this.put(this.form, this.providers, this.silent, this.filters, this.offers);
    this.#drawProviders(providers);
    this.#drawOffers();
    const { models, silent } = (await this.call("model.list")) ?? { models: [], silent: [] };
    this.#offers = models;
    this.silent.replaceChildren(...silent.map(({ error }) => h("li", null, error)));
    this.#drawOffers();
  }

  #drawProviders(providers) {
    const focused = document.activeElement?.dataset.key;
    this.providers.replaceChildren(...providers.map((provider) => this.#provider(provider)));
    if (focused) this.providers.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #provider(provider) {
    const { name, health, base_url: url } = provider;
    const checked = this.#checks.get(name);
    const isWell = !health.length && checked?.ok !== false && Boolean(provider.key || !provider.needs_key);
    const check = button(t("models-check"), () => this.#check(name));
    check.dataset.key = `check ${name}`;
    const act = (sign, label, what, action) =>
      iconButton(sign, t(label, { name }), action, { dataset: { key: `${what} ${name}` } });
    const hasKey = provider.key || provider.needs_key;
    const isOurs = provider.standing === "configured" || provider.key === "vault";
    const standing = h("span", { class: "standing" }, t(`standing-${provider.standing}`));
    const ill = ({ kind, model, until }) => t(`health-${kind}`, { model, when: formatMoment(until) });
    const parts = [
      h("div", { class: "who-is" }, h("h2", null, name), standing),
      h("p", { class: "key" }, keyText(provider)),
      h("p", { class: "at", title: url }, url || t("models-here")),
      health.map((state) => h("p", { class: "problem" }, ill(state))),
      h("p", { role: "status", class: checked?.ok === false ? "problem" : "checked" }, checkText(checked)),
    ];
    const again = hasKey && act("pen", "models-new-key", "key", () => this.#open(provider));
    const remove = isOurs && act("trash", "remove-of", "remove", () => this.#remove(name));
    return h("li", { dataset: { tone: isWell ? "good" : "bad" } }, ...parts, rowButtons(again, check, remove));
  }

  async #check(name) {
    const found = await this.call("provider.check", { provider: name });
    this.#checks.set(name, found?.checks[0]);
    const listed = await this.call("provider.list");
    if (listed) this.#drawProviders(listed.providers);
  }

  async #remove(name) {
    const title = t("remove-of", { name });
    if (!(await confirmed(this.app, title, t("models-remove-sure", { name }), t("remove")))) return;
    try {
      await this.app.rpc.call("provider.remove", { provider: name });
    } catch (error) {
      if (error instanceof Offline || error.data?.kind !== "conflict") return this.app.tell(error);
      const why = t("models-used", { why: error.message });
      if (!(await confirmed(this.app, title, why, t("models-remove-anyway")))) return;
      await this.call("provider.remove", { provider: name, force: true });
    }
    this.#changed(name);
  }

  /** Show the form for a provider, or for the new key of one that is there. */
  #open(provider = null) {
    const onAdded = ({ name }) => {
      this.escape();
      this.#changed(name);
      this.app.announce(t("models-added", { name }));
    };
    const adding = new ProviderForm(this.app.rpc, this.#vendors, provider, { onAdded, onCancel: () => this.escape() });
    this.form.replaceChildren(adding.element);
    this.form.hidden = false;
    this.form.scrollIntoView({ block: "nearest" });
    adding.focus();
  }

  #changed(name) {
    this.#checks.delete(name);
    this.app.loadAgents();
    this.refresh();
  }

  #drawOffers() {
    const wanted = this.search.value.trim().toLowerCase();
    const isFound = ({ provider, model }) => `${provider}/${model}`.toLowerCase().includes(wanted);
    const found = (this.#offers ?? []).filter(isFound);
    const empty = t(this.#offers === null ? "loading" : wanted ? "no-matches" : "models-none", { text: wanted });
    const [caption, rows, count] = [t("screen-models"), found.slice(0, SHOWN), formatNumber(found.length)];
    this.offers.replaceChildren(table({ caption, columns: COLUMNS, rows, empty }));
    this.count.textContent = found.length > SHOWN ? t("models-some", { shown: SHOWN, count }) : "";
  }

  /** Close the form, if it is open. */
  escape() {
    if (this.form.hidden) return false;
    this.form.hidden = true;
    this.form.replaceChildren();
    this.add.focus();
    return true;
  }
}

const known = (value, text) => (value === null ? t("models-unknown") : text(value));
const number = (title, cell) => ({ title: t(title), cell, className: "to-right" });
const COLUMNS = [
  { title: t("model"), cell: offerLink },
  number("models-context", (offer) => known(offer.known ? offer.context_tokens : null, formatNumber)),
  number("models-input", ({ input_usd: usd }) => known(usd, formatUsd)),
  number("models-output", ({ output_usd: usd }) => known(usd, formatUsd)),
  number("models-images", ({ images }) => known(images, (yes) => t(yes ? "models-yes" : "models-no"))),
];

function offerLink({ provider, model }) {
  const href = `#/new/${encodeURIComponent(`${provider}/${model}`)}`;
  return h("a", { href, title: t("models-talk") }, h("span", { class: "of" }, `${provider}/`), model);
}

function keyText({ key, needs_key: needed }) {
  if (key === "vault") return t("key-vault");
  if (key === "carapax.toml") return t("key-file");
  if (key.startsWith("$")) return t("key-environment", { name: key.slice(1) });
  if (key) return t("key-login");
  return t(needed ? "key-missing" : "key-none");
}

function checkText(checked) {
  if (!checked) return "";
  if (!checked.ok) return checked.hint ? `${checked.error} (${checked.hint})` : checked.error;
  return t("models-answers", { time: Math.round(checked.latency_s * 1000), count: formatNumber(checked.models) });
}
