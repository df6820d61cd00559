// The way in, and all that a stranger sees: a passkey, the password, a token; or the setup code, and what comes of it.

import { ask, hasPasskeys, makePasskey, showPasskey, standing, told } from "../auth.js";
import { button, form, h, t } from "../kit.js";
import { Offline, RpcError } from "../rpc.js";

const WORD = { name: "password", type: "password", autocomplete: "current-password webauthn" };
export const NEW_WORD = { name: "new", type: "password", autocomplete: "new-password", minlength: 12 };

export class SignIn {
  #waiting = null;

  /** `onDone(isNew)` once the browser is in; `isNew` after the setup. */
  constructor(onDone) {
    this.onDone = onDone;
    this.problem = h("p", { class: "problem", role: "alert" });
    this.content = h("div", { class: "ways" });
    const sign = h("img", { src: "icon.svg", alt: "", width: 40, height: 40 });
    this.element = h("main", { class: "sign-in" }, h("div", null, sign, this.content));
  }

  /** Show what fits `known`, an answer of `GET /auth`. `setup`: the person came for that. */
  show(known, setup) {
    const asked = JSON.stringify([known, setup]);
    if (asked === this.asked) return;
    Object.assign(this, { known, asked });
    document.body.append(this.element);
    if (known.how === "code") this.#put(t("setup"), t("setup-choose"), this.#choices());
    else if (setup || (known.setup && !known.owned)) this.#put(t("setup"), t("setup-text"), this.#code());
    else this.#put(t("sign-in"), "", this.#ways());
    this.focus();
  }

  focus() { (this.content.querySelector("input, button") ?? this.content.querySelector("h1")).focus(); }

  close() {
    this.#waiting?.abort();
    this.element.remove();
  }

  #put(title, text, ways) {
    const { elsewhere, secure, signed_in: isIn } = this.known;
    const here = elsewhere + location.hash;
    this.problem.textContent = "";
    const shown = [
      h("h1", { tabindex: -1 }, title),
      text && h("p", null, text),
      ...ways,
      this.problem,
      elsewhere && h("p", null, t("passkeys-elsewhere"), " ", h("a", { class: "link", href: here }, elsewhere)),
      secure || h("p", { class: "problem" }, t("not-secure")),
      isIn && h("a", { class: "link", href: "#/" }, t("not-now")),
    ];
    this.content.replaceChildren(...shown.filter((part) => part instanceof Node));
  }

  #ways() {
    const { passkeys, password } = this.known;
    const usable = passkeys && hasPasskeys();
    if (usable) this.#offer();
    const byWord = (values) => this.#enter(() => answered("auth/password", values));
    const byToken = ({ token }) => this.#enter(() => answered("login", { token: token.trim() }));
    const label = t("token");
    const token = oneField(t("sign-in"), { name: "token", label, type: "password", placeholder: "cpx_…" }, byToken);
    return [
      usable && this.#button(t("passkey-use"), () => this.#enter(() => showPasskey({ signal: this.#wait() }))),
      password && oneField(t("sign-in"), { ...WORD, label: t("password") }, byWord),
      h("details", { open: !usable && !password }, h("summary", null, t("with-token")), token),
      hint(t("forgotten"), h("a", { class: "link", href: "#/setup" }, t("have-code"))),
    ];
  }

  #code() {
    const onsubmit = async (values) => {
      await answered("auth/setup", values);
      this.show(await standing(), true);
    };
    const code = { name: "code", label: t("setup-code"), placeholder: "ABCD-2345", maxlength: 20 };
    return [oneField(t("next"), { ...code, autocomplete: "one-time-code" }, onsubmit), hint(t("setup-where"))];
  }

  #choices() {
    const make = () => this.#enter(() => makePasskey(t("passkey-first")), true);
    const set = (values) => this.#enter(() => answered("api/owner/password", values), true);
    return [
      this.known.passkey_host && hasPasskeys() && this.#button(t("passkey-make"), make),
      oneField(t("password-set"), { ...NEW_WORD, label: t("password-new"), hint: t("password-hint") }, set),
    ];
  }

  #button(label, way) {
    const go = () => {
      this.problem.textContent = "";
      return way().catch((error) => this.#tell(error));
    };
    return button(label, go, { tone: "primary" });
  }

  #tell(error) { this.problem.textContent = error instanceof Offline ? t("offline") : told(error); }

  /** The browser asks for one passkey at a time: a new question ends the one before. */
  #wait() {
    this.#waiting?.abort();
    this.#waiting = new AbortController();
    return this.#waiting.signal;
  }

  /** Offer passkeys where the password is typed, as far as the browser can. */
  async #offer() {
    const signal = this.#wait();
    const isKnown = await PublicKeyCredential.isConditionalMediationAvailable?.();
    if (!isKnown || signal.aborted) return;
    await this.#enter(() => showPasskey({ mediation: "conditional", signal })).catch((error) => this.#tell(error));
  }

  async #enter(way, isNew = false) {
    await way();
    this.onDone(isNew);
  }
}

function oneField(submit, field, onsubmit) {
  return form({ fields: [{ autocomplete: "off", ...field, required: true }], submit, label: field.label, onsubmit });
}

function hint(text, ...more) {
  return h("p", null, text, " ", h("code", null, "carapax owner code"), " ", more);
}

/** Ask with what one field says; a refusal is about that field. */
async function answered(path, values) {
  try {
    return await ask(path, values);
  } catch (error) {
    if (error instanceof RpcError) error.data.fields = { [Object.keys(values)[0]]: error.message };
    throw error;
  }
}
