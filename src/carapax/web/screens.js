// The screens besides the sessions, in the order of their links in the sidebar. `#/NAME` opens one; its link says
// `screen-NAME` and shows `icon`. Its code is loaded when it is opened first: `load` gives a class that is made with the
// app and has `element`, `update()`, `focus()`, `close()`, and `escape()` where that key means something there.

import { h } from "./dom.js";
import { Offline } from "./rpc.js";

export const SCREENS = {
  approvals: { icon: "hand", load: async () => (await import("./views/approvals.js")).ApprovalList },
  costs: { icon: "coins", load: async () => (await import("./views/costs.js")).Costs },
  models: { icon: "model", load: async () => (await import("./views/models.js")).Models },
  activity: { icon: "clock", load: async () => (await import("./views/activity.js")).Activity },
};

/** A screen by name, there at once and filled as soon as its code is. */
export class Screen {
  #view = null;
  #closed = false;

  constructor(app, name) {
    this.element = h("div", { class: "screen", "aria-busy": "true" }, h("header", { class: "bar" }, app.menuButton()));
    this.#open(app, name);
  }

  async #open(app, name) {
    const View = await SCREENS[name].load().catch(() => app.tell(new Offline()));
    if (!View || this.#closed) return;
    this.#view = new View(app);
    this.element.replaceWith(this.#view.element);
    this.element = this.#view.element;
    if (!matchMedia("(pointer: coarse)").matches) this.#view.focus();
  }

  update() {
    this.#view?.update();
  }

  focus() {
    this.#view?.focus();
  }

  escape() {
    return this.#view?.escape?.() ?? false;
  }

  close() {
    this.#closed = true;
    this.#view?.close();
  }
}
