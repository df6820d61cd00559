// Where a message is written. What is not sent yet survives a reload.

import { keep, kept } from "../kept.js";
import { h, icon, iconButton, t } from "../kit.js";
import { Attachments } from "./attachments.js";

const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;
const GROWS = CSS.supports("field-sizing", "content");
let made = 0;

export class Composer {
  #draft = "";

  /** `onSend(text, attachments)`, `onStop()`, and `onChoose()` where the model can be chosen. */
  constructor({ onSend, onStop, onChoose = null }) {
    this.onSend = onSend;
    const hint = `composer-hint-${++made}`;
    this.attachments = new Attachments(() => this.#changed(), (text) => this.write(this.text.value + text));
    const named = { rows: 1, dir: "auto", "aria-label": t("message"), "aria-describedby": hint, enterkeyhint: "send" };
    this.text = h("textarea", { ...named, onkeydown: (event) => this.#key(event), oninput: () => this.#changed() });
    this.send = h("button", { type: "submit", class: "send", "aria-label": t("send"), title: t("send") }, icon("send"));
    this.stop = iconButton("stop", t("stop"), onStop, { class: "stop", hidden: true });
    this.note = h("p", { class: "editing", hidden: true });
    const choose = { type: "button", class: "choice", title: t("choose-model"), onclick: onChoose };
    this.choice = h("button", { ...choose, hidden: true });
    const { list, button, input } = this.attachments;
    const box = h("div", { class: "box" }, button, input, this.text, this.stop, this.send);
    const below = h("div", { class: "below" }, this.choice, h("p", { id: hint, class: "hint" }, t("composer-hint")));
    const onsubmit = (event) => this.#submit(event);
    this.element = h("form", { class: "composer", onsubmit }, this.note, list, box, below);
  }

  /** Write for a session (or "new"), going on with what was begun there. */
  open(session) {
    this.#draft = `carapax.draft.${session}`;
    this.set(kept(this.#draft));
    this.attachments.open(`${this.#draft}.files`);
  }

  set(text) {
    this.text.value = text;
    this.#changed();
  }

  /** Say what is being written, and how to leave it; nothing for a message as usual. */
  tell(text = "", leave = null) {
    this.note.hidden = !text;
    this.note.replaceChildren(text, leave ? iconButton("close", t("cancel"), leave) : "");
  }

  update({ running, ended, choice = "" }) {
    this.choice.hidden = !choice || ended;
    if (this.choice.textContent !== choice) this.choice.replaceChildren(icon("model", 14), choice);
    this.stop.hidden = !running;
    this.text.disabled = ended;
    this.text.placeholder = t(ended ? "session-ended" : running ? "steer" : "write");
    this.attachments.button.disabled = ended;
    this.send.disabled = ended || !this.#isReady();
  }

  focus() { this.text.focus({ preventScroll: true }); }

  #key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
  }

  #changed() {
    keep(this.#draft, this.text.value);
    this.send.disabled = this.text.disabled || !this.#isReady();
    if (GROWS) return;
    this.text.style.height = "auto";
    this.text.style.height = `${Math.max(36, this.text.scrollHeight)}px`;
  }

  /** Have this go on being written. */
  write(text) {
    this.set(text);
    this.focus();
  }

  #isReady() { return Boolean(this.text.value.trim()) && !this.attachments.isBusy; }

  #submit(event) {
    event.preventDefault();
    const text = this.text.value.replace(CONTROL, "").trim();
    if (!text || this.text.disabled || this.attachments.isBusy || this.attachments.holdBack()) return;
    this.onSend(text, this.attachments.ready);
    this.attachments.clear();
    this.set("");
  }
}
