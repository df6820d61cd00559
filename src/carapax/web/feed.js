// The events of one session, from its first to what happens now: each once and in order, whatever the connection does.

import { apply, emptyView, isStreamed, markMissed } from "./fold.js";
import { Offline, RpcError } from "./rpc.js";

const PAGE = 500;

/** Fires "change" after events arrived or `problem` was set. `events` are the kept ones; `view` is their fold. */
export class Feed extends EventTarget {
  events = [];
  view = emptyView();
  loaded = false;
  problem = null;
  #rpc;
  #active = false;
  #syncing = null;
  #receive = ({ detail }) => detail.session === this.session && this.#take(detail);
  #reconnect = () => this.#rpc.state === "open" && this.#sync();

  constructor(rpc, session) {
    super();
    this.#rpc = rpc;
    this.session = session;
  }

  /** Follow the session from where we were, telling `onChange` until `close(onChange)`; resolves once up to date, or
   * given up until the next connection. */
  async open(onChange = null) {
    this.addEventListener("change", onChange);
    if (!this.#active) {
      this.#active = true;
      this.#rpc.addEventListener("event", this.#receive);
      this.#rpc.addEventListener("state", this.#reconnect);
      this.#reconnect();
    }
    await this.#syncing;
  }

  get isLive() { return this.#active && this.loaded; }

  close(onChange) {
    this.removeEventListener("change", onChange);
    this.#active = false;
    this.#rpc.removeEventListener("event", this.#receive);
    this.#rpc.removeEventListener("state", this.#reconnect);
    this.#rpc.call("session.unsubscribe", { session: this.session }).catch(() => {});
  }

  #take(envelope) {
    if (!isStreamed(envelope.event.kind)) {
      if (envelope.seq <= this.view.seq) return;
      if (envelope.seq > this.view.seq + 1) return void this.#sync();
      this.events.push(envelope);
    }
    if (apply(this.view, envelope)) this.#changed();
  }

  /** Fetch what is missing page by page, then have the rest pushed. A break in between starts over at the last seq. */
  #sync() { this.#syncing ??= this.#tryCatchUp(); }

  async #tryCatchUp() {
    let isCut = false;
    try {
      await this.#catchUp();
    } catch (error) {
      isCut = error instanceof Offline;
      if (error instanceof RpcError) this.problem = error;
      else if (!isCut) throw error;
    } finally {
      this.#syncing = null;
    }
    this.#changed();
    if (isCut && this.#active) this.#reconnect();
  }

  async #catchUp() {
    for (let full = true; full; ) {
      const wanted = { session: this.session, after: this.view.seq, limit: PAGE };
      const { events } = await this.#rpc.call("session.events", wanted);
      events.forEach((envelope) => this.#take(envelope));
      full = events.length === PAGE;
    }
    markMissed(this.view);
    await this.#rpc.call("session.subscribe", { session: this.session, after: this.view.seq });
    this.loaded = true;
    this.problem = null;
  }

  /** What is fetched to catch up is told of once, when it is all there. */
  #changed() {
    if (!this.#syncing) this.dispatchEvent(new Event("change"));
  }
}
