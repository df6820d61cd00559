// The form that adds a provider, or another key for one. The key leaves the page once, to the gateway, and is not kept.

import { form } from "../kit.js";
import { t } from "../strings.js";
import { h } from "../dom.js";

const SECRET = { spellcheck: "false", maxlength: 500 };

export class ProviderForm {
  /** `provider` is one that is there and only gets another key. `onAdded(provider)` and `onCancel()`. */
  constructor(rpc, vendors, provider, { onAdded, onCancel }) {
    this.vendors = vendors;
    const title = provider ? t("models-new-key", { name: provider.name }) : t("models-add");
    const choices = [...vendors.map(({ name }) => name), { value: "", label: t("models-own") }];
    const key = { name: "key", label: t("models-key"), hint: t("models-key-note"), type: "password", ...SECRET };
    const fields = [
      { name: "vendor", label: t("models-vendor"), type: "select", options: choices },
      { name: "name", label: t("models-name"), required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*" },
      { name: "base_url", label: t("models-url"), type: "url", placeholder: "http://127.0.0.1:8000", maxlength: 500 },
      key,
      { name: "default_model", label: t("models-default"), ...SECRET },
    ];
    const onsubmit = async (given) => {
      const added = await rpc.call("provider.add", provider ? { name: provider.name, ...given } : this.#asked(given));
      this.of("key").value = "";
      onAdded(added);
    };
    this.note = h("p", { class: "note" });
    this.element = form({
      fields: provider ? [key] : fields,
      values: { vendor: vendors[0]?.name ?? "" },
      submit: t("models-save"),
      label: title,
      cancel: onCancel,
      onsubmit,
    });
    this.element.classList.add("provider-form");
    this.element.prepend(h("h2", null, title), this.note);
    if (provider) return;
    this.of("vendor").addEventListener("change", () => this.#chosen());
    this.#chosen();
  }

  of(name) {
    return this.element.elements.namedItem(name);
  }

  focus() {
    this.element.elements[0].focus();
  }

  #show(name, isShown) {
    this.of(name).closest(".field").hidden = !isShown;
  }

  #chosen() {
    const vendor = this.vendors.find(({ name }) => name === this.of("vendor").value);
    const name = this.of("name");
    if (!name.value || this.vendors.some((each) => each.name === name.value)) name.value = vendor?.name ?? "";
    this.of("base_url").required = !vendor;
    this.#show("base_url", !vendor || vendor.local);
    this.#show("default_model", !vendor);
    this.#show("key", !vendor?.login || vendor.key_env);
    this.note.textContent = vendor?.note ?? "";
  }

  /** What is not shown does not count; a vendor is named where the provider has another name. */
  #asked({ vendor, ...given }) {
    const isShown = (name) => !this.of(name).closest(".field").hidden;
    const asked = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, isShown(name) ? value.trim() : ""]));
    return vendor && vendor !== asked.name ? { ...asked, vendor } : asked;
  }
}
