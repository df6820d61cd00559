// Messages on their way: kept in the browser until the gateway says that it keeps them. Each has a key of its own, so
// that sending it again, after a lost connection or from a second tab, never makes two of it; and each is kept under
// its own name, so that no tab ever writes over what another one keeps.

import { filesOf, keep, keptJson, keptNames } from "./kept.js";
import { RpcError } from "./rpc.js";

const STORE = "carapax.outbox.";

/** Fires "change" whenever `entries` differ, "created" with an entry for which a session was made, "sent" when kept. */
export class Outbox extends EventTarget {
  #rpc;
  #follow;
  #busy = false;
  entries = keptEntries();

  /** `follow(session)` resolves once what happens there is watched, so that no word of the first answer is missed. */
  constructor(rpc, follow) {
    super();
    this.#rpc = rpc;
    this.#follow = follow;
    rpc.addEventListener("state", () => this.flush());
    addEventListener("storage", ({ key }) => key?.startsWith(STORE) && this.#follows(key));
  }

  /** Another tab keeps a message, knows more of it, or has sent it. */
  #follows(name) {
    const entry = keptEntry(name);
    const known = this.entries.find(({ key }) => STORE + key === name);
    if (!entry) this.entries = this.entries.filter((each) => each !== known);
    else if (known) Object.assign(known, entry);
    else this.entries = inOrder([...this.entries, entry]);
    this.dispatchEvent(new Event("change"));
  }

  /** Send to a session; or, when `session` is empty, to the one of `conversation`, made by the first with `agent` and
   * `model`, where that is not the agent's own. */
  add({ session = "", conversation = "", agent = "", model = "", text, attachments = [] }) {
    const at = Math.max(Date.now(), (this.entries.at(-1)?.at ?? 0) + 1);
    const entry = { key: newKey(), at, session, conversation, agent, model, text, attachments, error: "" };
    this.entries.push(entry);
    this.#save(entry);
    this.flush();
  }

  remove(key) {
    this.entries = this.entries.filter((entry) => entry.key !== key);
    keep(STORE + key, "");
    this.dispatchEvent(new Event("change"));
  }

  retry(key) {
    const entry = this.entries.find((each) => each.key === key);
    entry.error = "";
    this.#save(entry);
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
    try {
      if (!entry.session && !entry.tried) await this.#create(entry);
      const { session, conversation, agent, model = "", text, key } = entry;
      const attachments = (entry.attachments ?? []).map(({ digest, name }) => ({ digest, name }));
      const target = session ? { session } : { conversation, agent, model };
      const sent = await this.#rpc.call("session.message", { ...target, text, attachments, dedupe_key: key });
      this.remove(key);
      if (!session) this.#found(entry, sent.session);
      this.dispatchEvent(new Event("sent"));
      return true;
    } catch (error) {
      return this.#refused(entry, error);
    }
  }

  /** Once only: should the answer get lost, the message itself finds its session by `conversation`, or makes it. */
  async #create(entry) {
    const { conversation, agent, model = "" } = entry;
    const others = this.entries.filter((other) => !other.session && other.conversation === conversation);
    others.forEach((other) => (other.tried = true));
    this.#save(...others);
    const { id } = await this.#rpc.call("session.create", { conversation, agent, model });
    this.#found(entry, id);
    await this.#follow(id);
  }

  /** What else waits for the session of a conversation goes where that is. */
  #found(entry, session) {
    const others = this.entries.filter((other) => !other.session && other.conversation === entry.conversation);
    for (const each of [entry, ...others]) each.session = session;
    this.#save(...others);
    this.dispatchEvent(new CustomEvent("created", { detail: entry }));
  }

  #refused(entry, error) {
    if (!(error instanceof RpcError)) return false;
    const wait = error.data.retry_after_s;
    if (wait) {
      setTimeout(() => this.flush(), wait * 1000);
      return false;
    }
    entry.error = error.message;
    this.#save(entry);
    return true;
  }

  /** What another tab has sent meanwhile is not kept again. */
  #save(...entries) {
    const waiting = entries.filter((entry) => this.entries.includes(entry));
    for (const entry of waiting) keep(STORE + entry.key, JSON.stringify(entry));
    this.dispatchEvent(new Event("change"));
  }
}

const inOrder = (entries) => entries.sort((one, other) => one.at - other.at);
const keptEntries = () => inOrder(keptNames(STORE).map(keptEntry).filter(Boolean));

function keptEntry(name) {
  const entry = keptJson(name);
  const isText = ["key", "session", "text"].every((each) => typeof entry?.[each] === "string");
  if (!isText || STORE + entry.key !== name) return null;
  const { at, error, attachments } = entry;
  return { ...entry, at: Number.isFinite(at) ? at : 0, error: String(error ?? ""), attachments: filesOf(attachments) };
}

export function newKey() {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(12)));
  return `web-${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
