// A new session: what to do here, and where to type it.

import { h, t } from "../kit.js";
import { newKey } from "../outbox.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";

// Said to the demo, which understands these words alone, whatever the language of the page.
const PHRASES = [
  "run `uname -a`", "write hello to hello.txt", "read hello.txt", "remember that my cat is called Ada",
  "what did I say", "list .",
];

export class Welcome {
  /** `chosen` is the model to begin with, where that is not the agent's own, or "agent/NAME". */
  constructor(app, chosen) {
    this.app = app;
    const [, wanted = ""] = /^agent\/(.+)$/.exec(chosen) ?? [];
    Object.assign(this, { wanted, chosen: wanted ? "" : chosen, key: newKey() });
    this.agent = h("select", { "aria-label": t("agent"), onchange: () => this.#drawAgent() });
    this.model = h("span", { class: "model" });
    this.text = h("p", { class: "lead" });
    const { outbox } = app;
    this.conversation = new Conversation({ retry: (key) => outbox.retry(key), discard: (key) => outbox.remove(key) });
    this.composer = new Composer({ onSend: (text, files) => this.#send(text, files), onStop: () => {} });
    const onclick = ({ target }) => this.composer.write(target.textContent);
    const chip = (text) => h("button", { type: "button", class: "chip", onclick }, text);
    this.chips = h("ul", { class: "chips" }, PHRASES.map((text) => h("li", null, chip(text))));
    const who = h("p", { class: "who" }, this.agent, this.model);
    const writing = [this.conversation.element, this.composer.element, this.chips, who];
    const bar = h("header", { class: "bar" }, app.menuButton(), h("span", { class: "grow" }));
    const middle = h("div", { class: "middle" }, h("h1", null, t("welcome")), this.text, writing);
    this.element = h("div", { class: "welcome" }, bar, middle);
    this.composer.attachments.listen(this.element);
    this.composer.open("new");
    this.update();
  }

  update() {
    const { agents, outbox, rpc } = this.app;
    const chosen = this.agent.value || this.wanted;
    this.agent.replaceChildren(...agents.map(({ name }) => h("option", { value: name }, this.app.called(name))));
    if (agents.some(({ name }) => name === chosen)) this.agent.value = chosen;
    this.agent.hidden = agents.length < 2;
    this.#drawAgent();
    const offline = rpc.state !== "open";
    const pending = outbox.entries.filter(({ session }) => !session).map((entry) => ({ ...entry, offline }));
    this.conversation.draw({ items: [], waiting: [], run: null, calls: new Map() }, pending);
    this.composer.update({ running: false, ended: false });
  }

  #drawAgent() {
    const agent = this.app.agents.find(({ name }) => name === this.agent.value);
    const isDemo = agent?.demo && !this.chosen;
    this.text.textContent = t(isDemo ? "welcome-demo" : "welcome-text");
    this.chips.hidden = !isDemo;
    const usual = this.chosen && h("a", { class: "link", href: "#/" }, t("usual-model"));
    this.model.replaceChildren(...this.app.modelBadge(this.chosen || (agent?.model ?? "")), usual);
  }

  #send(text, attachments) {
    this.app.outbox.add({ conversation: this.key, agent: this.agent.value, model: this.chosen, text, attachments });
  }

  focus() { this.composer.focus(); }
  close() { this.conversation.close(); }
}
