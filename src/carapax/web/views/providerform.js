// The form that adds a provider, or another key for one. The key leaves the page once, to the gateway, and is not kept.

import { h } from "../dom.js";
import { Offline } from "../rpc.js";
import { t } from "../strings.js";

const OWN = "";
let forms = 0;

export class ProviderForm {
  /** `provider` is one that is there and only gets another key. `onAdded(provider)` and `onCancel()`. */
  constructor(rpc, vendors, provider, { onAdded, onCancel }) {
    this.rpc = rpc;
    this.vendors = vendors;
    this.provider = provider;
    this.onAdded = onAdded;
    const options = vendors.map(({ name }) => h("option", { value: name }, name));
    this.vendor = h("select", { onchange: () => this.#chosen() }, options, h("option", { value: OWN }, t("models-own")));
    this.name = h("input", { required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*", autocomplete: "off", spellcheck: "false" });
    this.url = h("input", { type: "url", maxlength: 500, placeholder: "http://127.0.0.1:8000", autocomplete: "off" });
    this.key = h("input", { type: "password", autocomplete: "off", spellcheck: "false" });
    this.model = h("input", { maxlength: 500, autocomplete: "off", spellcheck: "false" });
    this.note = h("p", { class: "note" });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.save = h("button", { type: "submit", class: "button primary" }, t("models-save"));
    const cancel = h("button", { type: "button", class: "button", onclick: onCancel }, t("cancel"));
    this.fields = {
      vendor: field(t("models-vendor"), this.vendor),
      name: field(t("models-name"), this.name),
      url: field(t("models-url"), this.url),
      key: field(t("models-key"), this.key, t("models-key-note")),
      model: field(t("models-default"), this.model),
    };
    const title = provider ? t("models-new-key", { name: provider.name }) : t("models-add");
    this.element = h(
      "form",
      { class: "provider-form", "aria-label": title, onsubmit: (event) => this.#submit(event) },
      h("h2", null, title),
      h("div", { class: "fields" }, provider ? this.fields.key : Object.values(this.fields)),
      this.note,
      this.problem,
      h("div", { class: "actions" }, cancel, this.save),
    );
    if (!provider) this.#chosen();
  }

  focus() {
    (this.provider ? this.key : this.vendor).focus();
  }

  #chosen() {
    const vendor = this.vendors.find(({ name }) => name === this.vendor.value);
    const isOwn = !vendor;
    if (!this.name.value || this.vendors.some(({ name }) => name === this.name.value)) this.name.value = vendor?.name ?? "";
    this.url.required = isOwn;
    this.fields.url.hidden = !isOwn && !vendor.local;
    this.fields.model.hidden = !isOwn;
    this.fields.key.hidden = Boolean(vendor?.login && !vendor.key_env);
    this.note.textContent = vendor?.note ?? "";
  }

  #given() {
    if (this.provider) return { name: this.provider.name, key: this.key.value };
    const name = this.name.value.trim();
    const shown = (part, input) => (this.fields[part].hidden ? "" : input.value.trim());
    const given = { name, base_url: shown("url", this.url), key: shown("key", this.key), default_model: shown("model", this.model) };
    return this.vendor.value && this.vendor.value !== name ? { ...given, vendor: this.vendor.value } : given;
  }

  async #submit(event) {
    event.preventDefault();
    this.#wait(true);
    try {
      const added = await this.rpc.call("provider.add", this.#given());
      this.key.value = "";
      this.onAdded(added);
    } catch (error) {
      this.problem.textContent = error instanceof Offline ? t("offline") : error.message;
      this.#wait(false);
      this.key.focus();
    }
  }

  #wait(isWaiting) {
    if (isWaiting) this.problem.textContent = "";
    this.save.disabled = isWaiting;
    this.save.textContent = t(isWaiting ? "models-asking" : "models-save");
  }
}

function field(label, input, note = "") {
  const id = `provider-field-${++forms}`;
  input.id = id;
  if (note) input.setAttribute("aria-describedby", `${id}-note`);
  return h("div", { class: "field" }, h("label", { for: id }, label), input, note && h("small", { id: `${id}-note` }, note));
}
