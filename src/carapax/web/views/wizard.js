// Setting up, one question at a time: a model, the agent, its owner, the sandbox. Each can be skipped and come back to.

import { setConfig } from "../configform.js";
import { keep } from "../kept.js";
import { badge, button, coded, form, h, Page, searchBox, t } from "../kit.js";
import { vendorTitle } from "../vendors.js";
import { providerFields } from "./providerform.js";

const STEPS = ["model", "agent", "you", "channels", "sandbox", "done"];
const EMOJI = ["🦀", "🐙", "🦉", "🦊", "🐢", "🤖", "🌱", "✨"];
const MANNERS = ["wizard-manner-brief", "wizard-manner-warm", "wizard-manner-teacher"];
const SHOWN = 8;

export class Wizard extends Page {
  #vendor = null;
  #problem = "";
  #known = "";

  async load() {
    const [state, providers] = await this.calls("setup.status", "provider.list");
    const known = JSON.stringify([this.path, state, providers]);
    if (known === this.#known) return; // what was typed stays
    this.#known = known;
    this.state = state;
    this.providers = providers;
    this.steps = STEPS.filter((step) => step !== "channels" || state.channels.length);
    this.#draw();
  }

  #draw() {
    const place = Math.max(0, this.steps.indexOf(this.path));
    const step = this.steps[place];
    const isOpen = step !== "done" && !this.state.finished;
    this.actions(isOpen && button(t("wizard-later"), () => this.#finish(), { tone: "quiet" }));
    const count = this.steps.length - 1;
    const progress = place < count && t("wizard-progress", { place: place + 1, count });
    const bar = h("progress", { max: count, value: place + 1, "aria-label": progress || t("wizard-done") });
    const [back, next] = [this.steps[place - 1], this.steps[place + 1]];
    const link = (to, label) => to && h("a", { class: "button quiet", href: `#/wizard/${to}` }, label);
    this.heading = h("h2", { tabindex: -1 }, t(`wizard-${step}`));
    const parts = [this.heading, h("p", { class: "lead" }, t(`wizard-${step}-text`)), this[`_${step}`]()];
    const links = [link(back, t("back")), link(next, t("wizard-skip"))];
    const ways = h("nav", { class: "actions", "aria-label": t("steps") }, links);
    const shown = h("section", { class: "step", dataset: { step } }, parts);
    this.put(h("p", { class: "summary" }, bar, progress), shown, ways);
    if (this.drawn && this.drawn !== step) this.heading.focus();
    this.drawn = step;
  }

  _model() {
    if (this.#vendor !== null) return this.#add(this.#vendor);
    const found = this.providers.providers.filter(({ dialect }) => dialect && dialect !== "demo");
    const why = ({ key, base_url: url }) => h("small", null, key ? t("wizard-key-at", { place: key }) : url);
    const about = (each) => h("span", null, h("strong", null, vendorTitle(each.name)), " ", why(each));
    const use = (each) => button(t("wizard-use", { name: vendorTitle(each.name) }), () => this.#use(each));
    const row = (each) => h("li", null, about(each), use(each));
    const list = h("ul", { class: "choices" });
    const search = searchBox(t("wizard-search"), { autocomplete: "off" });
    const draw = () => {
      const wanted = search.value.trim().toLowerCase();
      const isNamed = ({ name, talks }) => talks && `${name} ${vendorTitle(name)}`.toLowerCase().includes(wanted);
      const named = this.providers.vendors.filter(isNamed);
      const pick = (name, said) => h("li", null, button(said, () => this.#choose(name)));
      const shown = named.slice(0, SHOWN).map(({ name }) => pick(name, vendorTitle(name)));
      list.replaceChildren(...shown, pick("", t("models-own")));
    };
    search.addEventListener("input", draw);
    draw();
    const problem = h("p", { class: "problem", role: "alert" }, this.#problem);
    const now = !this.state.is_demo && h("p", null, t("wizard-model-now", { model: this.state.model }));
    const title = t(found.length ? "wizard-others" : "wizard-vendors");
    const others = [h("h3", null, title), h("div", { class: "field" }, search), list];
    return [now, found.length > 0 && h("ul", { class: "found" }, found.map(row)), problem, ...others];
  }

  /** The form for a vendor of the catalogue, or with "" for a server of one's own. */
  #add(name) {
    const vendor = this.providers.vendors.find((each) => each.name === name);
    const onsubmit = async (given) => {
      const added = await this.app.rpc.call("provider.add", { name, ...given });
      this.#vendor = null;
      await this.#answers(added.name);
    };
    const about = { submit: t("models-save"), cancel: () => this.#choose(null), label: t("models-add") };
    const note = vendor?.note && h("p", null, coded(vendor.note));
    const fields = providerFields(vendor);
    return [h("h3", null, name ? vendorTitle(name) : t("models-own")), note, form({ fields, onsubmit, ...about })];
  }

  #choose(vendor) {
    this.#vendor = vendor;
    this.#problem = "";
    this.#draw();
    this.content.querySelector(vendor === null ? "[type=search]" : "form input")?.focus();
  }

  async #use({ name }) {
    const { checks } = await this.app.rpc.call("provider.check", { provider: name });
    this.#problem = checks.filter(({ ok }) => !ok).map(({ error, hint }) => `${error}. ${hint}`).join("\n");
    if (this.#problem) this.#draw();
    else await this.#answers(name);
  }

  /** This provider is the one that answers from now on. */
  async #answers(provider) {
    this.#problem = "";
    const { agent, model } = await this.app.rpc.call("setup.status");
    if (model.split("/")[0] !== provider) await this.#set([["agents", agent, "model"], provider]);
    this.#next();
  }

  _agent() {
    const { agent, title, emoji, manner } = this.state;
    const fields = [
      { name: "title", label: t("name"), maxlength: 80 },
      { name: "emoji", label: t("wizard-emoji"), maxlength: 16 },
      { name: "manner", label: t("wizard-manner"), type: "textarea", rows: 2, maxlength: 2000 },
    ];
    const made = this.#form(fields, { title, emoji, manner }, ["agents", agent], t("wizard-agent"));
    const chips = (name, texts) => {
      const input = made.elements[name];
      const chip = (text) => h("button", { type: "button", class: "chip", onclick: () => (input.value = text) }, text);
      input.after(h("div", { class: "chips", role: "group", "aria-label": t(`wizard-${name}`) }, texts.map(chip)));
    };
    chips("emoji", EMOJI);
    chips("manner", MANNERS.map((key) => t(key)));
    return made;
  }

  _you() {
    const { user, timezone } = this.state;
    const fields = [
      { name: "name", label: t("wizard-name"), maxlength: 80, autocomplete: "given-name" },
      { name: "timezone", label: t("wizard-timezone"), type: "time zone" },
    ];
    const values = { name: user, timezone: timezone || Intl.DateTimeFormat().resolvedOptions().timeZone };
    return this.#form(fields, values, ["user"], t("wizard-you"));
  }

  /** A form whose fields are keys of the table at `path`. */
  #form(fields, values, path, label) {
    const onsubmit = async (given) => {
      await this.#set(...Object.entries(given).map(([key, value]) => [[...path, key], value.trim() || null]));
      this.#next();
    };
    return form({ fields, values, submit: t("wizard-next"), onsubmit, label });
  }

  _channels() { return h("ul", { class: "found" }, this.state.channels.map((name) => h("li", null, name))); }

  _sandbox() {
    const { kind, ok, level, told } = this.state.sandbox;
    const tone = ok ? (level === "none" ? "warn" : "ok") : "bad";
    const state = h("p", null, badge(ok ? `${kind} · ${level}` : kind, tone));
    return [state, h("p", null, told), button(t("wizard-next"), () => this.#next(), { tone: "primary" })];
  }

  _done() { return button(t("wizard-start"), () => this.#finish(t("wizard-hello")), { tone: "primary" }); }

  async #set(...changes) {
    await setConfig(this.app, ...changes);
    await this.app.loadAgents();
  }

  #next() { location.hash = `#/wizard/${this.steps[Math.max(0, this.steps.indexOf(this.path)) + 1]}`; }

  /** Do not offer it any more, and begin a session in which something may stand already. */
  async #finish(text = "") {
    await this.app.rpc.call("setup.finish");
    if (text) keep("carapax.draft.new", text);
    location.hash = "#/";
  }
}
