// Health: what the doctor finds, check by check, with a button for each repair.

import { badge, button, card, formatMoment, h, legible, Page, sentence, t } from "../kit.js";

const FIRST = "configuration";
const TONES = { ok: "ok", warn: "warn", fail: "bad" };

export class Health extends Page {
  #checks = [];
  #found = new Map();
  #repaired = new Map();
  #bans = [];

  async load() {
    const { checks, findings } = await this.app.rpc.call("doctor.run", { checks: [FIRST] });
    this.#bans = (await this.call("ban.list"))?.bans ?? [];
    this.#checks = checks;
    this.#found = new Map([[FIRST, findings]]);
    this.#draw();
    await Promise.all(this.#checks.filter((check) => check !== FIRST).map((check) => this.#look(check)));
    this.app.announce(this.#summary());
  }

  async #look(check) {
    const report = await this.call("doctor.run", { checks: [check] });
    this.#found.set(check, report?.findings ?? []);
    this.#draw();
  }

  async #repair({ check, fix }) {
    const { fixed } = await this.app.rpc.call("doctor.fix", { fix });
    this.#repaired.set(check, [...(this.#repaired.get(check) ?? []), fixed]);
    await this.#look(check);
    this.app.announce(fixed);
  }

  async #repairAll(findings) { for (const finding of findings) await this.#repair(finding); }

  #summary() {
    const count = [...this.#found.values()].flat().filter(({ state }) => state !== "ok").length;
    return count ? t("health-problems", { count }) : t("health-well");
  }

  #draw() {
    const waiting = this.#checks.length - this.#found.size;
    const fixable = [...this.#found.values()].flat().filter(({ fix }) => fix);
    const again = button(t("look-again"), () => this.refresh(), { disabled: waiting > 0 });
    const all = fixable.length > 1 && button(t("health-fix-all"), () => this.#repairAll(fixable), { tone: "primary" });
    this.actions(all, again);
    const label = t("health-progress", { done: this.#found.size, count: this.#checks.length });
    const progress = h("progress", { max: this.#checks.length, value: this.#found.size, "aria-label": label });
    const shown = this.#checks.filter((check) => this.#found.get(check)?.length);
    const cards = [shown.map((check) => this.#card(check)), this.#bans.length > 0 && this.#banned()];
    const summary = h("p", { class: "summary" }, waiting ? [progress, label] : this.#summary());
    this.put(summary, h("div", { class: "findings" }, cards));
  }

  #card(check) {
    const done = (fixed) => h("p", { class: "repaired" }, t("health-repaired", { fixed: legible(fixed) }));
    const findings = this.#found.get(check).map((finding) => this.#finding(finding));
    return card(check === "tls" ? "TLS" : check, h("ul", null, findings), (this.#repaired.get(check) ?? []).map(done));
  }

  /** Who showed too many wrong tokens or passwords. */
  #banned() {
    const lift = async (key) => {
      await this.app.rpc.call("ban.lift", { key });
      this.#bans = this.#bans.filter((ban) => ban.key !== key);
      this.#draw();
    };
    const until = ({ key, until: at }) => t("health-until", { key: legible(key), when: formatMoment(at) });
    const release = ({ key }) => button(t("health-lift"), () => lift(key));
    const parts = (ban) => [badge(t("health-banned"), "warn"), until(ban), release(ban)];
    const item = (ban) => h("li", { dataset: { key: ban.key } }, parts(ban));
    return card(t("health-banned"), h("ul", null, this.#bans.map(item)));
  }

  #finding(finding) {
    const { state, message, remedy = "", fix = "" } = finding;
    const todo = remedy && h("p", { class: "remedy" }, legible(remedy));
    const about = h("div", null, h("p", null, sentence(legible(message))), todo);
    const repair = fix && button(t("health-fix"), () => this.#repair(finding));
    return h("li", { dataset: { key: fix || message } }, badge(t(`health-${state}`), TONES[state]), about, repair);
  }
}
