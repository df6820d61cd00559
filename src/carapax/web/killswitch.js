// The kill switch: a banner while agents are stopped, and the questions asked before they are stopped or released.

import { h } from "./dom.js";
import { formatExact } from "./format.js";
import { confirmed } from "./kit.js";
import { t } from "./strings.js";

const LOOK_EVERY_MS = 5_000;

/** Fires "change" when `stop` changes, which says since when, by whom and why agents are stopped, or is null. */
export class KillSwitch extends EventTarget {
  stop = null;

  constructor(app) {
    super();
    this.app = app;
    this.element = h("div", { class: "banner stopped", role: "alert", hidden: true });
    app.rpc.addEventListener("state", () => this.look());
    app.rpc.addEventListener("event", ({ detail }) => detail.event.kind === "run_finished" && this.look());
    setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** Ask the gateway, which may have been told elsewhere. */
  async look() {
    if (this.app.rpc.state !== "open" || document.hidden) return;
    const status = await this.app.rpc.call("status").catch(() => null);
    if (status) this.#become(status.stopped);
  }

  async pull() {
    const label = t("stop-reason");
    const reason = h("input", { type: "text", maxlength: 200, "aria-label": label, placeholder: label });
    const content = h("div", { class: "vouching" }, h("p", null, t("stop-sure")), reason);
    if (!(await this.app.ask(t("stop-agents"), content, t("stop-agents")))) return;
    const done = await this.app.attempt("agents.stop", { reason: reason.value.trim() });
    if (done) this.#become(done.stopped);
    else this.look();
  }

  async release() {
    if (!(await confirmed(this.app, t("release-agents"), t("release-sure"), t("release-agents")))) return;
    if (await this.app.attempt("agents.release")) this.#become(null);
  }

  #become(stop) {
    if (stop?.at === this.stop?.at) return;
    this.stop = stop;
    this.element.hidden = !stop;
    this.element.replaceChildren();
    if (stop) {
      const why = t(stop.reason ? "stopped-why" : "stopped", { ...stop, when: formatExact(stop.at) });
      const release = h("button", { class: "button", onclick: () => this.release() }, t("release-agents"));
      this.element.append(h("span", null, why), release);
    }
    this.dispatchEvent(new Event("change"));
  }
}
