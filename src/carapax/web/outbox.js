// Messages on their way: kept in the browser until the gateway says that it keeps them. Each has a key of its own, so
// that sending it again, after a lost connection or from a second tab, never makes two of it.

import { RpcError } from "./rpc.js";

const STORE = "carapax.outbox";

/** Fires "change" whenever `entries` differ, and "sent" with the entry, its session now known, once it is kept. */
export class Outbox extends EventTarget {
  #rpc;
  #busy = false;
  entries = JSON.parse(localStorage.getItem(STORE) ?? "[]");

  constructor(rpc) {
    super();
    this.#rpc = rpc;
    rpc.addEventListener("state", () => this.flush());
    addEventListener("storage", ({ key }) => {
      if (key !== STORE) return;
      this.entries = JSON.parse(localStorage.getItem(STORE) ?? "[]");
      this.dispatchEvent(new Event("change"));
    });
  }

  /** Send to a session; or, when `session` is empty, to the one of `conversation`, made with `agent` by the first. */
  add({ session = "", conversation = "", agent = "", text }) {
    this.entries.push({ key: newKey(), session, conversation, agent, text, error: "" });
    this.#save();
    this.flush();
  }

  remove(key) {
    this.entries = this.entries.filter((entry) => entry.key !== key);
    this.#save();
  }

  retry(key) {
    this.entries.find((entry) => entry.key === key).error = "";
    this.#save();
    this.flush();
  }

  /** One after the other, so that they arrive in the order they were written. */
  async flush() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let entry; this.#rpc.state === "open" && (entry = this.entries.find(({ error }) => !error)); ) {
        if (!(await this.#send(entry))) break;
      }
    } finally {
      this.#busy = false;
    }
  }

  async #send(entry) {
    const { session, conversation, agent, text, key } = entry;
    const target = session ? { session } : { conversation, agent };
    try {
      const sent = await this.#rpc.call("session.message", { ...target, text, dedupe_key: key });
      this.remove(key);
      this.dispatchEvent(new CustomEvent("sent", { detail: { ...entry, session: sent.session } }));
      return true;
    } catch (error) {
      return this.#refused(entry, error);
    }
  }

  #refused(entry, error) {
    if (!(error instanceof RpcError)) return false;
    const wait = error.data.retry_after_s;
    if (wait) {
      setTimeout(() => this.flush(), wait * 1000);
      return false;
    }
    entry.error = error.message;
    this.#save();
    return true;
  }

  #save() {
    localStorage.setItem(STORE, JSON.stringify(this.entries));
    this.dispatchEvent(new Event("change"));
  }
}

export function newKey() {
  return `web-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
