// What waits for a person's yes, in all sessions, asked for again as long as the page is open.

import { Offline, RpcError } from "./rpc.js";

const LOOK_EVERY_MS = 4_000;
const KINDS = new Set(["approval_asked", "approval_given", "run_finished"]);
const GONE = -32004;
const BEATEN = -32009;

/** Fires "change" when `items`, each {session, approval}, or `mayAnswer` differ. */
export class Approvals extends EventTarget {
  items = [];
  mayAnswer = true;
  #app;
  #shown = "";
  #ahead = 0;

  constructor(app) {
    super();
    this.#app = app;
    app.rpc.addEventListener("state", () => this.look());
    app.rpc.addEventListener("event", ({ detail }) => KINDS.has(detail.event.kind) && this.look());
    setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** Seconds since 1970 by the gateway's clock, as far as it is known. */
  get now() { return Date.now() / 1000 + this.#ahead; }
  of(session) { return this.items.filter((item) => item.session === session).length; }

  async look() {
    if (this.#app.rpc.state !== "open") return;
    const found = await this.#app.rpc.call("approval.list").catch(() => null);
    if (!found) return;
    this.#ahead = found.now - Date.now() / 1000;
    const shown = JSON.stringify([found.approvals, found.may_answer]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.items = found.approvals;
    this.mayAnswer = found.may_answer;
    this.dispatchEvent(new Event("change"));
  }

  /** Answer what was asked: "" when it counts, "late" when somebody else or the end of its time was first, "failed". */
  async answer({ id, digest }, answer) {
    try {
      await this.#app.rpc.call("approval.answer", { approval: id, digest, ...answer });
      return "";
    } catch (error) {
      if (error instanceof RpcError && (error.code === GONE || error.code === BEATEN)) return "late";
      if (!(error instanceof Offline || error instanceof RpcError)) throw error;
      this.#app.tell(error);
      return "failed";
    } finally {
      this.look();
    }
  }
}
