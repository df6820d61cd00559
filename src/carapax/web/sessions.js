// The sessions of the gateway, last changed first, asked for again while somebody looks.

const PAGE = 50;
const REFRESH_MS = 4_000;

/** Fires "change" when `items` differ. */
export class SessionList extends EventTarget {
  items = [];
  loaded = false;
  more = false;
  #rpc;
  #shown = "";
  #limit = PAGE;
  #asking = false;

  constructor(rpc) {
    super();
    this.#rpc = rpc;
    rpc.addEventListener("state", () => this.refresh());
    addEventListener("visibilitychange", () => this.refresh());
    setInterval(() => this.refresh(), REFRESH_MS);
  }

  find(id) { return this.items.find((info) => info.id === id); }

  async refresh() {
    if (this.#asking || this.#rpc.state !== "open" || document.visibilityState !== "visible") return;
    this.#asking = true;
    const found = await this.#rpc.call("session.list", { limit: this.#limit }).catch(() => null);
    this.#asking = false;
    if (found) this.#show(found.sessions);
  }

  async loadMore() {
    this.#limit = Math.min(1000, this.#limit + 4 * PAGE);
    await this.refresh();
  }

  #show(sessions) {
    const shown = JSON.stringify(sessions);
    if (this.loaded && shown === this.#shown) return;
    this.#shown = shown;
    this.items = sessions;
    this.loaded = true;
    this.more = sessions.length === this.#limit && this.#limit < 1000;
    this.dispatchEvent(new Event("change"));
  }
}
