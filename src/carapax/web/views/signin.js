// Asks for a token when the gateway wants one.

import { h } from "../dom.js";
import { t } from "../strings.js";

export class SignIn {
  /** `onDone()` once the browser has its cookie. */
  constructor(onDone) {
    this.onDone = onDone;
    this.token = h("input", {
      type: "password",
      name: "token",
      autocomplete: "current-password",
      required: true,
      placeholder: "cpx_…",
      "aria-label": t("token"),
    });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.element = h(
      "div",
      { class: "sign-in" },
      h(
        "form",
        { onsubmit: (event) => this.#submit(event) },
        h("img", { src: "icon.svg", alt: "", width: 40, height: 40 }),
        h("h1", null, t("sign-in")),
        h("p", null, t("sign-in-text")),
        h("pre", null, h("code", null, "carapax token create browser")),
        this.token,
        this.problem,
        h("button", { class: "button primary" }, t("sign-in")),
      ),
    );
  }

  async #submit(event) {
    event.preventDefault();
    this.problem.textContent = "";
    const body = JSON.stringify({ token: this.token.value.trim() });
    try {
      const response = await fetch("login", { method: "POST", headers: { "content-type": "application/json" }, body });
      if (response.ok) this.onDone();
      else this.problem.textContent = await refusal(response);
    } catch {
      this.problem.textContent = t("sign-in-failed");
    }
  }

  focus() {
    this.token.focus();
  }
}

async function refusal(response) {
  if (response.status === 401) return t("sign-in-refused");
  const { detail, hint } = await response.json().catch(() => ({}));
  return [detail ?? response.statusText, hint].filter(Boolean).join(": ");
}
