// JSON-RPC 2.0 over one WebSocket that comes back by itself.

import { t } from "./strings.js";

const TOO_LONG = 1009; // why a WebSocket was closed, RFC 6455 section 7.4.1
const LONGEST = 1_000_000; // of what is longer, the line may end before that is said
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8_000;
const PULSE_MS = 20_000;
const ANSWER_WITHIN_MS = 15_000;
const MOST_PATIENCE = 16;

/** The gateway's refusal. `data` may hold `hint`, `retry_after_s`, and `fields`: problems by name. */
export class RpcError extends Error {
  constructor({ code, message, data }) {
    super(data?.hint ? `${message} (${data.hint})` : message);
    this.code = code;
    this.data = data ?? {};
  }
}

/** There was no connection, or it went away before the answer came: nobody knows whether the call was carried out. */
export class Offline extends Error {}

const never = new Promise(() => {});
let isLeft = false;

/** From here on the page asks for nothing, and nothing that it waits for comes: what is left must not act any more. */
export const leave = () => (isLeft = true);

/** What the gateway answers by HTTP, as JSON; what it refuses is an RpcError. */
export async function fetched(path, sent) {
  if (isLeft) return never;
  const response = await fetch(path, sent).catch(() => null);
  const answer = await response?.json().catch(() => ({}));
  if (isLeft) return never;
  if (!response) throw new Offline();
  if (response.ok) return answer;
  throw new RpcError({ code: response.status, message: answer.detail ?? response.statusText, data: answer });
}

/** Fires "state" when `state` changes ("connecting", "open", "unauthorized") and "event" (a CustomEvent with the
 * envelope as `detail`) for each notification. */
export class Connection extends EventTarget {
  state = "connecting";
  #socket = null;
  #calls = new Map();
  #nextId = 1;
  #wait = FIRST_WAIT_MS;
  #timer = 0;
  #patience = 1;

  constructor() {
    super();
    addEventListener("online", () => this.connect());
    addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.connect());
    setInterval(() => this.#pulse(), PULSE_MS);
  }

  /** Connect now, unless connected or about to be; whether we still are is found out. */
  connect() {
    if (isLeft) return;
    if (this.#socket) return this.#pulse();
    clearTimeout(this.#timer);
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (this.#socket !== socket) return;
      this.#wait = FIRST_WAIT_MS;
      this.#become("open");
    });
    socket.addEventListener("message", ({ data }) => isLeft || this.#receive(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.#lost(socket, code));
  }

  /** The result of an operation; a connection that gives none within `ms` counts as lost. Raises RpcError, Offline. */
  async call(method, params = {}, ms = ANSWER_WITHIN_MS) {
    if (isLeft) return never;
    if (this.state !== "open") throw new Offline();
    const id = this.#nextId++;
    const request = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    if (request.length > LONGEST) throw tooLong();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(), ms * this.#patience);
      this.#calls.set(id, { resolve, reject, timer, length: request.length });
      this.#socket.send(request);
    });
  }

  /** On a slow line an answer may take longer than that, and would take as long again: wait longer the next time. */
  #giveUp() {
    this.#patience = Math.min(this.#patience * 2, MOST_PATIENCE);
    this.#drop();
  }

  /** A dead line would say that it is closed only after a while. */
  #drop() {
    const socket = this.#socket;
    if (socket) this.#lost(socket);
    socket?.close();
  }

  /** Drop the connection and make a new one, with whatever credential the browser has now. */
  restart() {
    this.#wait = FIRST_WAIT_MS;
    this.#drop();
    this.connect();
  }

  #receive(message) {
    if (message.method === "event") {
      this.dispatchEvent(new CustomEvent("event", { detail: message.params }));
      return;
    }
    const call = this.#calls.get(message.id);
    if (!call) return;
    this.#calls.delete(message.id);
    clearTimeout(call.timer);
    if (message.error) call.reject(new RpcError(message.error));
    else call.resolve(message.result);
  }

  /** Of what waits for an answer, only the longest can have been too long. */
  async #lost(socket, code = 0) {
    if (isLeft || this.#socket !== socket) return;
    const wasOpen = this.state === "open";
    this.#socket = null;
    const calls = [...this.#calls.values()].sort((one, other) => other.length - one.length);
    for (const [at, { reject, timer }] of calls.entries()) {
      clearTimeout(timer);
      reject(code === TOO_LONG && at === 0 ? tooLong() : new Offline());
    }
    this.#calls.clear();
    const isOut = !wasOpen && (await isRefused());
    if (isLeft || this.#socket) return; // connected anew meanwhile
    if (isOut) return void this.#become("unauthorized");
    this.#become("connecting");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), this.#wait * (0.5 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** A connection that died without a word is found out by asking. */
  #pulse() {
    if (this.state === "open") this.call("health").catch(() => {});
  }
}

const tooLong = () => new RpcError({ message: t("too-long") });

/** A browser does not say why a WebSocket was refused, so ask in a way that does. */
const isRefused = () => fetched("auth").then((known) => known.signed_in === false, () => false);
