// The form for a provider of models: one of a vendor of the catalogue, a server of one's own, or another key.

import { form, h, t } from "../kit.js";
import { vendorTitle } from "../vendors.js";

const SECRET = { spellcheck: "false", maxlength: 500 };
const PATTERN = "[A-Za-z0-9][A-Za-z0-9_\\-]*";
const LOCAL = { type: "url", placeholder: "http://127.0.0.1:8000", maxlength: 500 };
const NAME = { name: "name", label: t("name"), required: true, maxlength: 64, pattern: PATTERN };
const KEY = { name: "key", label: t("models-key"), hint: t("models-key-note"), type: "password", ...SECRET };
const MODEL = { name: "default_model", label: t("models-default"), ...SECRET };

/** What is asked of a provider of a vendor, or without one of a server of one's own. */
export function providerFields(vendor, isNamed = !vendor) {
  const address = { name: "base_url", label: t("models-url"), required: !vendor, ...LOCAL };
  const isLocal = !vendor || vendor.local;
  const needsKey = !vendor?.login || vendor.key_env;
  return [isNamed && NAME, isLocal && address, needsKey && KEY, !vendor && MODEL].filter(Boolean);
}

export class ProviderForm {
  element = h("div");

  /** `provider` is one that is there and only gets another key. `onAdded(provider)` and `onCancel()`. */
  constructor(rpc, vendors, provider, { onAdded, onCancel }) {
    Object.assign(this, { rpc, vendors, provider, onAdded, onCancel });
    this.#draw(vendors[0], { name: vendors[0]?.name });
  }

  focus() { this.form.elements[0].focus(); }

  /** Draw the form for a vendor, going on with what was typed. */
  #draw(vendor, values) {
    const { provider, vendors } = this;
    const label = provider ? t("models-new-key", { name: provider.name }) : t("models-add");
    const known = vendors.map(({ name }) => ({ value: name, label: vendorTitle(name) }));
    const options = [...known, { value: "", label: t("models-own") }];
    const choice = { name: "vendor", label: t("models-vendor"), type: "select", options };
    const fields = provider ? [KEY] : [choice, ...providerFields(vendor, true)];
    const about = { submit: t("models-save"), label, cancel: this.onCancel, onsubmit: (given) => this.#add(given) };
    this.form = form({ fields, values: { ...values, vendor: vendor?.name ?? "" }, ...about });
    this.form.classList.add("provider-form");
    this.form.prepend(h("h2", null, label), h("p", { class: "note" }, provider ? "" : vendor?.note));
    this.form.elements.vendor?.addEventListener("change", ({ target }) => this.#choose(target.value));
    this.element.replaceChildren(this.form);
  }

  /** A name that is a vendor's follows the choice. */
  #choose(wanted) {
    const find = (name) => this.vendors.find((each) => each.name === name);
    const typed = Object.fromEntries(new FormData(this.form));
    const name = typed.name && !find(typed.name) ? typed.name : wanted;
    this.#draw(find(wanted), { ...typed, name });
    this.focus();
  }

  /** A vendor is named where the provider has another name. */
  async #add({ vendor, ...given }) {
    const texts = Object.entries(given).map(([name, value]) => [name, value.trim()]);
    const asked = { name: this.provider?.name, ...Object.fromEntries(texts) };
    if (vendor && vendor !== asked.name) asked.vendor = vendor;
    this.onAdded(await this.rpc.call("provider.add", asked));
  }
}
