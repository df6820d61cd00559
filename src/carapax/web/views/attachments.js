// Files that go along with the next message: chosen, pasted or dropped, and sent to the gateway at once. So does a text
// that is too long to be looked at where it is written; it can be put there after all.

import { filesOf, keep, keptJson } from "../kept.js";
import { formatBytes, h, icon, iconButton, linkButton, t } from "../kit.js";
import { fetched, RpcError } from "../rpc.js";

const MOST = 10;
const LONG_TEXT = 20_000;

export class Attachments {
  #files = [];
  #draft = "";

  /** `onChange()` is called whenever what goes along differs, `onText(text)` with what shall be in the message. */
  constructor(onChange, onText) {
    Object.assign(this, { onChange, onText });
    this.list = h("ul", { class: "attachments", "aria-label": t("attachments"), hidden: true });
    const given = { type: "file", multiple: true, hidden: true, "aria-label": t("attach") };
    this.input = h("input", { ...given, onchange: () => this.#chosen() });
    this.button = iconButton("clip", t("attach"), () => this.input.click(), { class: "attach" });
  }

  /** What a message names: `{digest, name, media_type, size}` of each file that has arrived. */
  get ready() { return this.#told.filter(({ digest }) => digest); }

  get #told() { return this.#files.map(({ digest, name, media_type, size }) => ({ digest, name, media_type, size })); }

  get isBusy() { return this.#files.some(({ digest, error }) => !digest && !error); }

  /** Go on with what was chosen under a name. Of a file that had not arrived, only its name is left. */
  open(draft) {
    this.#draft = draft;
    this.restore(filesOf(keptJson(draft)));
  }

  /** Have these go along again, as `ready` gave them. */
  restore(files) {
    this.#files.push(...files.map((file) => ({ ...file, error: file.digest ? "" : t("file-lost") })));
    this.#changed();
  }

  add(files, text = "") {
    for (const file of files) this.#upload({ file, text, name: file.name, size: file.size, digest: "", error: "" });
    this.#changed();
  }

  /** Whether a file that was chosen cannot go along: then it is asked about instead of being left behind unsaid. */
  holdBack() {
    const failed = this.#files.filter(({ error }) => error);
    for (const entry of failed) entry.isAsked = true;
    if (failed.length) this.#changed();
    this.list.querySelector(".failed button")?.focus();
    return failed.length > 0;
  }

  clear() {
    this.#files = [];
    this.#changed();
  }

  /** Take what is pasted into or dropped onto an element. */
  listen(element) {
    const take = (event, data) => {
      const text = event.target.matches("textarea") ? (data?.getData("text/plain") ?? "") : "";
      const isLong = !data?.files.length && text.length >= LONG_TEXT;
      const files = isLong ? [new File([text], t("file-pasted"), { type: "text/plain" })] : (data?.files ?? []);
      if (!files.length || this.button.disabled) return;
      event.preventDefault();
      this.add(files, isLong ? text : "");
    };
    element.addEventListener("paste", (event) => take(event, event.clipboardData));
    element.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      element.classList.add("dropping");
    });
    element.addEventListener("dragleave", () => element.classList.remove("dropping"));
    element.addEventListener("drop", (event) => {
      element.classList.remove("dropping");
      take(event, event.dataTransfer);
    });
  }

  #chosen() {
    this.add(this.input.files);
    this.input.value = "";
  }

  async #upload(entry) {
    const { file } = entry;
    if (!this.#files.includes(entry)) this.#files.push(entry);
    entry.error = this.#files.indexOf(entry) < MOST ? "" : t("file-many", { count: MOST });
    if (entry.error) return;
    try {
      const type = file.type === "application/json" ? "" : file.type;
      const headers = { "content-type": type || "application/octet-stream" };
      const name = encodeURIComponent(file.name.slice(0, 200));
      Object.assign(entry, await fetched(`api/files?name=${name}`, { method: "POST", headers, body: file }));
    } catch (error) {
      entry.error = error instanceof RpcError ? error.message : t("file-lost");
    }
    if (this.#files.includes(entry)) this.#changed();
  }

  #changed() {
    if (this.list.isConnected) keep(this.#draft, this.#files.length ? JSON.stringify(this.#told) : "");
    const hadFocus = this.list.contains(document.activeElement);
    this.list.hidden = !this.#files.length;
    this.list.replaceChildren(...this.#files.map((entry) => this.#chip(entry)));
    if (hadFocus) (this.list.querySelector("button") ?? this.button).focus();
    this.onChange();
  }

  #chip(entry) {
    const remove = () => {
      this.#files = this.#files.filter((other) => other !== entry);
      this.#changed();
    };
    const retry = () => {
      this.#upload(entry);
      this.#changed();
    };
    const write = () => {
      remove();
      this.onText(entry.text);
    };
    const asked = entry.isAsked ? ` ${t("file-holds")}` : "";
    const state = entry.error ? entry.error + asked : entry.digest ? formatBytes(entry.size) : t("file-sending");
    const name = h("span", { class: "name" }, entry.name || t("file-unnamed"));
    const told = h("small", { role: entry.error ? "alert" : null }, state);
    const close = iconButton("close", t("file-remove", { name: entry.name }), remove);
    const tone = entry.error ? "failed" : entry.digest ? "" : "busy";
    const again = entry.error && entry.file && linkButton(t("retry"), retry);
    const back = entry.text && tone !== "busy" && linkButton(t("file-write"), write);
    return h("li", { class: tone }, picture(entry) ?? icon("clip", 14), name, told, again, back, close);
  }
}

/** The files of a message as people see them: pictures, and links for all else. */
export function drawFiles(files) {
  if (!files?.length) return null;
  const named = ({ name, size }) => [icon("clip", 14), name || t("file-unnamed"), h("small", null, formatBytes(size))];
  const link = (file) => h("a", { href: address(file), download: file.name }, picture(file) ?? named(file));
  return h("ul", { class: "files" }, files.map((file) => h("li", null, link(file))));
}

function picture({ digest, media_type: type = "", name }) {
  if (!digest || !/^image\/(png|jpeg|gif|webp)$/.test(type)) return null;
  return h("img", { src: address({ digest }), alt: name || t("file-unnamed"), loading: "lazy" });
}

const address = ({ digest }) => `api/files/${digest}`;
