// Channels: the chat platforms that messages come from, how each is, and the tables that set them up.

import { setConfig, setKeys, tableAt, tableForm } from "../configform.js";
import { badge, button, card, formatMoment, h, legible, Page, rowButtons, t, table } from "../kit.js";

const TONES = { listening: "ok", broken: "bad", ended: "warn" };

export class Channels extends Page {
  #known = new Map();

  async load() {
    const [listed, { tables }, { config }] = await this.calls("channel.list", "config.schema", "config.get");
    Object.assign(this, listed, { tables, sections: config.channels });
    this.draw();
  }

  draw() {
    const stateOf = ({ state, detail, since }) =>
      [badge(t(`channels-${state}`), TONES[state]), ` ${formatMoment(since)} `, legible(detail)];
    const check = ({ name }) => button(t("models-check"), () => this.#check(name));
    const known = ({ name }) => h("span", { role: "status" }, legible(this.#known.get(name) ?? ""));
    const columns = [
      { title: t("channel"), cell: ({ name }) => legible(name) },
      { title: t("state"), cell: stateOf },
      { title: t("channels-known"), cell: known },
      { title: t("actions"), cell: check, className: "buttons" },
    ];
    const [caption, empty, key] = [t("channels-states"), t("channels-none"), ({ name }) => name];
    const states = table({ caption, columns, rows: this.channels, empty, key });
    this.put(states, [...this.configured, ...this.available].map((name) => this.#section(name)));
  }

  async #check(name) {
    this.#known.set(name, (await this.app.rpc.call("channel.check", { channel: name })).known_as);
    this.draw();
  }

  /** What sets a channel up, as its extension's settings say. */
  #section(name) {
    const about = tableAt(this.tables, ["channels", name]);
    const isThere = this.configured.includes(name);
    if (name !== this.opened || !about) {
      const open = about && button(t(isThere ? "screen-settings" : "screen-wizard"), () => this.open(name));
      const remove = isThere && button(t("remove"), () => this.#remove(name), { tone: "danger" });
      return card(name, h("p", { class: "remedy" }, about?.meaning ?? ""), rowButtons(open, remove));
    }
    const onsubmit = async (changes) => {
      if (isThere) await setKeys(this.app, ["channels", name], changes);
      else await setConfig(this.app, [["channels", name], changes]);
      this.opened = null;
      await this.refresh();
    };
    const cancel = () => this.open(null);
    return card(name, tableForm({ table: about, values: this.sections[name], onsubmit, cancel, label: name }));
  }

  #remove(name) {
    return this.sure(t("remove-of", { name }), t("channels-remove-sure"), t("remove"), async () => {
      await setConfig(this.app, [["channels", name], null]);
      await this.refresh();
    });
  }
}
