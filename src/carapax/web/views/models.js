// Models: which vendors can be asked, with what key, and what they offer.

import { h, iconButton } from "../dom.js";
import { formatMoment, formatNumber, formatUsd } from "../format.js";
import { Offline } from "../rpc.js";
import { t } from "../strings.js";
import { ProviderForm } from "./providerform.js";

const SHOWN = 200;

export class Models {
  #loaded = false;
  #providers = [];
  #offers = null;
  #silent = [];
  #checks = new Map();
  #adding = null;

  constructor(app) {
    this.app = app;
    this.title = h("h1", { tabindex: -1 }, t("screen-models"));
    this.add = h("button", { type: "button", class: "button primary", onclick: () => this.#open() }, t("models-add"));
    this.providers = h("ul", { class: "providers", "aria-label": t("models-providers") });
    this.form = h("div", { class: "adding", hidden: true });
    this.search = h("input", {
      type: "search",
      placeholder: t("models-search"),
      "aria-label": t("models-search"),
      autocomplete: "off",
      oninput: () => this.#drawOffers(),
    });
    this.count = h("span", { class: "count", role: "status" });
    this.rows = h("tbody");
    this.table = h("div", { class: "table", role: "region", tabindex: 0, "aria-label": t("screen-models") }, offerTable(this.rows));
    this.none = h("p", { class: "none" });
    this.silent = h("ul", { class: "silent" });
    const find = h("div", { class: "choices" }, h("label", { class: "field find" }, this.search), this.count);
    this.content = h("div", { class: "sheet", hidden: true }, this.form, this.providers, this.silent, find, this.table, this.none);
    this.loading = h("p", { class: "loading" }, t("loading"));
    this.element = h(
      "div",
      { class: "screen models" },
      h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, this.title), this.add),
      h("div", { class: "scroller" }, this.loading, this.content),
    );
    this.update();
  }

  /** The connection is there again, or something else happened: what is shown is asked for once. */
  update() {
    if (this.#loaded || this.app.rpc.state !== "open") return;
    this.#loaded = true;
    this.#load();
  }

  async #load() {
    const listed = await this.app.attempt("provider.list");
    if (!listed) {
      this.#loaded = false;
      return;
    }
    this.vendors = listed.vendors;
    this.#providers = listed.providers;
    this.loading.hidden = true;
    this.content.hidden = false;
    this.#drawProviders();
    this.#offers = null;
    this.#drawOffers();
    const { models, silent } = (await this.app.attempt("model.list")) ?? { models: [], silent: [] };
    this.#offers = models;
    this.#silent = silent;
    this.#drawOffers();
  }

  #drawProviders() {
    const focused = document.activeElement?.dataset.key;
    this.providers.replaceChildren(...this.#providers.map((provider) => this.#provider(provider)));
    if (focused) this.providers.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #provider(provider) {
    const { name, health, base_url: url } = provider;
    const checked = this.#checks.get(name);
    const isWell = !health.length && checked?.ok !== false && Boolean(provider.key || !provider.needs_key);
    const check = { type: "button", class: "button", disabled: checked === "asking", onclick: () => this.#check(name) };
    const actions = [h("button", { ...check, dataset: { key: `check ${name}` } }, t(checked === "asking" ? "models-asking" : "models-check"))];
    if (provider.standing === "configured" || provider.key === "vault") {
      const label = t("models-remove", { name });
      actions.push(iconButton("trash", label, () => this.#remove(name), { dataset: { key: `remove ${name}` } }));
    }
    if (provider.key || provider.needs_key) {
      const label = t("models-new-key", { name });
      actions.unshift(iconButton("pen", label, () => this.#open(provider), { dataset: { key: `key ${name}` } }));
    }
    return h(
      "li",
      { dataset: { tone: isWell ? "good" : "bad" } },
      h("div", { class: "who-is" }, h("h2", null, name), h("span", { class: "standing" }, t(`standing-${provider.standing}`))),
      h("p", { class: "key" }, keyText(provider)),
      h("p", { class: "at", title: url }, url || t("models-here")),
      health.map((state) => h("p", { class: "problem" }, t(`health-${state.kind}`, { model: state.model, when: formatMoment(state.until) }))),
      h("p", { role: "status", class: checked?.ok === false ? "problem" : "checked" }, checkText(checked)),
      h("div", { class: "actions" }, actions),
    );
  }

  async #check(name) {
    this.#checks.set(name, "asking");
    this.#drawProviders();
    const found = await this.app.attempt("provider.check", { provider: name });
    this.#checks.set(name, found?.checks[0]);
    const listed = await this.app.attempt("provider.list");
    if (listed) this.#providers = listed.providers;
    this.#drawProviders();
  }

  async #remove(name) {
    const really = h("p", null, t("models-remove-sure", { name }));
    if (!(await this.app.ask(t("models-remove", { name }), really, t("models-remove-it")))) return;
    try {
      await this.app.rpc.call("provider.remove", { provider: name });
    } catch (error) {
      if (error instanceof Offline || error.data?.kind !== "conflict") return this.app.toast(error instanceof Offline ? t("offline") : error.message);
      const used = h("p", null, t("models-used", { why: error.message }));
      if (!(await this.app.ask(t("models-remove", { name }), used, t("models-remove-anyway")))) return;
      await this.app.attempt("provider.remove", { provider: name, force: true });
    }
    this.#changed(name);
  }

  /** Show the form for a provider, or for the new key of one that is there. */
  #open(provider = null) {
    this.#adding = new ProviderForm(this.app.rpc, this.vendors ?? [], provider, {
      onAdded: ({ name }) => {
        this.#close();
        this.#changed(name);
        this.app.announce(t("models-added", { name }));
      },
      onCancel: () => this.#close(),
    });
    this.form.replaceChildren(this.#adding.element);
    this.form.hidden = false;
    this.form.scrollIntoView({ block: "nearest" });
    this.#adding.focus();
  }

  #close() {
    this.#adding = null;
    this.form.replaceChildren();
    this.form.hidden = true;
    this.add.focus();
  }

  #changed(name) {
    this.#checks.delete(name);
    this.app.loadAgents();
    this.#load();
  }

  #drawOffers() {
    const wanted = this.search.value.trim().toLowerCase();
    const offers = this.#offers ?? [];
    const found = offers.filter(({ provider, model }) => `${provider}/${model}`.toLowerCase().includes(wanted));
    this.rows.replaceChildren(...found.slice(0, SHOWN).map(offerRow));
    this.table.hidden = !found.length;
    this.none.hidden = found.length > 0;
    this.none.textContent = t(this.#offers === null ? "loading" : wanted ? "no-matches" : "models-none", { text: wanted });
    this.count.textContent = found.length > SHOWN ? t("models-some", { shown: SHOWN, count: formatNumber(found.length) }) : "";
    const silent = this.#offers === null ? [] : this.#silent;
    this.silent.replaceChildren(...silent.map(({ error }) => h("li", null, error)));
  }

  /** Esc closes the form, if it is open. */
  escape() {
    if (!this.#adding) return false;
    this.#close();
    return true;
  }

  focus() {
    this.title.focus({ preventScroll: true });
  }

  close() {}
}

function offerTable(rows) {
  const head = ["model", "models-context", "models-input", "models-output", "models-images"];
  const cells = head.map((key, place) => h("th", { scope: "col", class: place ? "to-right" : null }, t(key)));
  return h("table", null, h("thead", null, h("tr", null, cells)), rows);
}

function offerRow(offer) {
  const images = offer.images === null ? "models-unknown" : offer.images ? "models-yes" : "models-no";
  const known = (value, text) => (value === null || !offer.known ? t("models-unknown") : text(value));
  const cells = [
    known(offer.context_tokens, formatNumber),
    offer.input_usd === null ? t("models-unknown") : formatUsd(offer.input_usd),
    offer.output_usd === null ? t("models-unknown") : formatUsd(offer.output_usd),
    t(images),
  ];
  const href = `#/new/${encodeURIComponent(`${offer.provider}/${offer.model}`)}`;
  const link = h("a", { href, title: t("models-talk") }, h("span", { class: "of" }, `${offer.provider}/`), offer.model);
  const name = h("th", { scope: "row" }, link);
  return h("tr", null, name, cells.map((cell) => h("td", { class: "to-right" }, cell)));
}

function keyText({ key, needs_key: needed }) {
  if (key === "vault") return t("key-vault");
  if (key === "carapax.toml") return t("key-file");
  if (key.startsWith("$")) return t("key-environment", { name: key.slice(1) });
  if (key) return t("key-login");
  return t(needed ? "key-missing" : "key-none");
}

function checkText(checked) {
  if (!checked || checked === "asking") return "";
  if (!checked.ok) return checked.hint ? `${checked.error} (${checked.hint})` : checked.error;
  return t("models-answers", { time: Math.round(checked.latency_s * 1000), count: formatNumber(checked.models) });
}
