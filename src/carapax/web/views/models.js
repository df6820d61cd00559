// Models: which vendors can be asked, with what key, and what they offer.

import { h } from "../dom.js";
import { t } from "../strings.js";

export class Models {
  constructor(app) {
    this.app = app;
    this.title = h("h1", { tabindex: -1 }, t("screen-models"));
    this.element = h(
      "div",
      { class: "screen" },
      h("header", { class: "bar" }, app.menuButton(), h("div", { class: "heading" }, this.title)),
      h("div", { class: "scroller" }),
    );
  }

  update() {}

  focus() {
    this.title.focus({ preventScroll: true });
  }

  close() {}
}
