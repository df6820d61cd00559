// The conversation as it happens, and the composer below it.

import { h, iconButton, oneLine, onFrame, t } from "../kit.js";
import { originChips } from "./approval.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { askModel, choiceOf, replay, sayInCopy } from "./modelchoice.js";

const NEAR_END = 60;
const SPOKEN = 300;

export class Chat {
  #editing = null;
  #forks = [];

  constructor(app, feed) {
    this.app = app;
    this.feed = feed;
    this.following = true;
    this.conversation = new Conversation({
      retry: (key) => app.outbox.retry(key),
      discard: (key) => app.outbox.remove(key),
      again: () => this.#again(),
      approvals: app.approvals,
      vouch: () => this.#vouch(),
      edit: (item) => this.#edit(item),
      replay: (item) => replay(app, feed.session, item),
      forks: (item) => this.#forksBefore(item),
      costs: {},
    });
    this.composer = new Composer({
      onSend: (text, files) => this.#send(text, files),
      onStop: () => this.#stop(),
      onChoose: () => this.#choose(),
    });
    this.toEnd = iconButton("down", t("to-end"), () => this.#follow(), { class: "to-end", hidden: true });
    this.loading = h("p", { class: "loading" }, t("loading"));
    const onscroll = () => this.#scrolled();
    this.scroller = h("div", { class: "scroller", tabindex: -1, onscroll }, this.loading, this.conversation.element);
    const dock = h("div", { class: "dock" }, this.toEnd, this.composer.element);
    this.element = h("div", { class: "chat" }, this.scroller, dock);
    this.resize = new ResizeObserver(() => this.#stick());
    this.resize.observe(this.conversation.element);
    this.resize.observe(this.scroller);
    this.draw = onFrame(() => this.#draw());
    this.composer.attachments.listen(this.element);
    this.composer.open(feed.session);
  }

  update() { this.draw(); }

  #draw() {
    const { view, loaded } = this.feed;
    const { outbox, rpc } = this.app;
    const pending = outbox.entries.filter(({ session }) => session === this.feed.session);
    this.loading.hidden = loaded || rpc.state !== "open";
    if (!this.loading.hidden) return;
    this.conversation.draw(view, pending.map((entry) => ({ ...entry, offline: rpc.state !== "open" })));
    this.composer.update({ running: view.run !== null, ended: view.ended, choice: choiceOf(this.app, view) });
    if (loaded) this.#announce(view);
    if (loaded && this.counted !== view.finished) this.#count(view.finished);
    this.#stick();
  }

  /** Tell what is asked, and the end of each answer that ended while this was shown. */
  #announce(view) {
    const asking = [...view.approvals.values()].at(-1)?.tool;
    if (asking && this.asked !== asking.approval.id) {
      this.asked = asking.approval.id;
      this.app.announce(t("asks-you", { tool: asking.name, reason: asking.approval.reason }));
    }
    const isNew = this.told !== undefined && view.finished > this.told;
    this.told = view.finished;
    if (!isNew) return;
    const answer = view.items.findLast((item) => item.type === "answer");
    const text = answer?.parts.filter((part) => part.type === "text").map((part) => part.text).join(" ") ?? "";
    this.app.announce(t("answer-done", { text: oneLine(text, SPOKEN) }));
  }

  /** What each run cost, and the sessions that were copied from here, asked for whenever a run has ended. */
  async #count(finished) {
    this.counted = finished;
    const { session } = this.feed;
    const ask = (method, params) => this.app.rpc.call(method, params).catch(() => null);
    const asked = [ask("costs.runs", { session }), ask("session.list", { forked_from: session })];
    const [costs, listed] = await Promise.all(asked);
    this.#forks = listed?.sessions ?? this.#forks;
    Object.assign(this.conversation.actions.costs, costs?.runs);
    this.conversation.redraw();
    this.element.dispatchEvent(new CustomEvent("counted", { detail: Object.values(costs?.runs ?? {}) }));
  }

  /** Those that were copied right before a message, or after the one before it. */
  #forksBefore({ seq }) {
    const asked = this.feed.view.items.filter((item) => item.type === "user").map((item) => item.seq);
    return this.#forks.filter(({ forked_at: at }) => (asked.find((each) => each > at) ?? asked.at(-1)) === seq);
  }

  #edit(item) {
    this.#editing = item;
    this.composer.tell(t("editing"), () => this.#leave());
    this.composer.write(item.text);
  }

  /** Edit no longer; whether a message was being edited. */
  #leave() {
    if (!this.#editing) return false;
    this.#editing = null;
    this.composer.tell();
    this.composer.set("");
    return true;
  }

  async #sendEdited(item, text, more) {
    try {
      const attachments = [...(item.attachments ?? []), ...more];
      location.hash = `#/s/${await sayInCopy(this.app, this.feed.session, { ...item, text, attachments })}`;
    } catch (error) {
      this.app.tell(error);
      this.#edit(item);
      this.composer.set(text);
      this.composer.attachments.restore(more);
    }
  }

  async #choose() {
    const { session, view } = this.feed;
    const act = (choice) => this.app.rpc.call("session.configure", { session, ...choice });
    await askModel(this.app, t("choose-model"), t("save"), view, act);
  }

  #send(text, attachments = []) {
    this.following = true;
    const item = this.#editing;
    if (item) {
      this.#leave();
      this.#sendEdited(item, text, attachments);
      return;
    }
    this.app.outbox.add({ session: this.feed.session, text, attachments });
  }

  #again() {
    const last = this.feed.view.items.findLast((item) => item.type === "user");
    if (last) this.#send(last.text, last.attachments);
  }

  /** A person answers for what the session has read, as far as it is shown here. */
  async #vouch() {
    const { seq, origins } = this.feed.view;
    if (!origins.length) return;
    const content = h("div", { class: "vouching" }, h("p", null, t("vouch-sure")), originChips(origins));
    if (!(await this.app.ask(t("vouch-title"), content, t("vouch")))) return;
    await this.app.attempt("session.vouch", { session: this.feed.session, upto: seq });
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_END || scrollTop === this.held;
    this.toEnd.hidden = this.following;
  }

  #follow() {
    this.following = true;
    this.#stick();
  }

  /** Keep the end in view; of a question that is too long for that, its beginning. */
  #stick() {
    if (!this.following) return;
    const card = this.conversation.asking;
    const above = card ? card.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - 8 : Infinity;
    const { scrollTop, scrollHeight } = this.scroller;
    this.scroller.scrollTop = Math.min(scrollHeight, scrollTop + above);
    this.held = card ? this.scroller.scrollTop : null;
  }

  /** Leave what is being edited, or stop the run, if there is one. */
  escape() { return this.#leave() || this.#stop(); }

  #stop() {
    if (!this.feed.view.run) return false;
    this.app.attempt("session.cancel", { session: this.feed.session });
    return true;
  }

  focus() { this.composer.focus(); }

  close() {
    this.resize.disconnect();
    this.conversation.close();
  }
}
