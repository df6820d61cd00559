// Channels: the chat platforms that messages come from, how each is, and the tables that set them up.

import { setKeys, tableAt, tableForm } from "../configform.js";
import { h } from "../dom.js";
import { formatMoment, legible } from "../format.js";
import { badge, button, card, confirmed, Page, table } from "../kit.js";
import { t } from "../strings.js";

const TONES = { listening: "ok", broken: "bad", ended: "warn" };

export class Channels extends Page {
  #known = new Map();
  #chosen = "";

  async load() {
    const [listed, schema, configured] = await Promise.all([this.call("channel.list"), this.call("config.schema"), this.call("config.get")]);
    if (!listed || !schema || !configured) return;
    Object.assign(this, listed, { tables: schema.tables, sections: configured.config.channels });
    this.#draw();
  }

  #draw() {
    const columns = [
      { title: t("channels-name"), cell: ({ name }) => legible(name) },
      { title: t("agents-state"), cell: ({ state, detail, since }) => [badge(t(`channels-${state}`), TONES[state]), ` ${formatMoment(since)} `, legible(detail)] },
      { title: t("channels-known"), cell: ({ name }) => h("span", { role: "status" }, legible(this.#known.get(name) ?? "")) },
      { title: t("actions"), cell: ({ name }) => button(t("models-check"), () => this.#check(name)), className: "buttons" },
    ];
    const states = table({ caption: t("channels-states"), columns, rows: this.channels, empty: t("channels-none"), key: ({ name }) => name });
    this.put(states, [...this.configured, ...this.available].map((name) => this.#section(name)));
  }

  async #check(name) {
    this.#known.set(name, (await this.app.rpc.call("channel.check", { channel: name })).known_as);
    this.#draw();
  }

  /** What sets a channel up, as its extension's settings say. */
  #section(name) {
    const about = tableAt(this.tables, ["channels", name]);
    const isThere = this.configured.includes(name);
    if (name !== this.#chosen || !about) {
      const open = about && button(t(isThere ? "tools-settings" : "channels-set-up"), () => this.#open(name));
      const remove = isThere && button(t("secrets-remove"), () => this.#remove(name), { tone: "danger" });
      return card(name, h("p", { class: "remedy" }, about?.meaning ?? ""), h("div", { class: "actions" }, open, remove));
    }
    const onsubmit = async (changes) => {
      if (isThere) await setKeys(this.app, ["channels", name], changes);
      else await this.app.rpc.call("config.set", { changes: [{ path: ["channels", name], value: changes }] });
      this.#chosen = "";
      await this.refresh();
    };
    return card(name, tableForm({ table: about, values: this.sections[name], onsubmit, cancel: () => this.#open(""), label: name }));
  }

  #open(name) {
    this.#chosen = name;
    this.#draw();
    this.content.querySelector(".form input, .form select")?.focus();
  }

  async #remove(name) {
    if (!(await confirmed(this.app, t("agents-remove-of", { name }), t("channels-remove-sure"), t("secrets-remove")))) return;
    await this.app.rpc.call("config.set", { changes: [{ path: ["channels", name], value: null }] });
    await this.refresh();
  }
}
