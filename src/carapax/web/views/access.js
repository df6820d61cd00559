// Access: by whom the gateway is reached, how its port is encrypted, whom devices have to trust for that, and who comes
// through Tailscale.

import { ask, hasPasskeys, makePasskey, showPasskey, standing, told } from "../auth.js";
import { badge, button, card, confirmed, copyText, form, formatMoment, h, legible, Page, rowButtons } from "../kit.js";
import { t, table } from "../kit.js";
import { RpcError } from "../rpc.js";
import { NEW_WORD } from "./signin.js";

const DEVICES = ["phone", "android", "firefox", "windows", "mac", "linux"];
const REACH = { off: "quiet", serve: "ok", funnel: "warn" };

export class Access extends Page {
  async load() {
    this.put(await Promise.all([credentialCards(this), certificateCard(this), tailscaleCard(this)]));
  }
}

const fact = ([name, value]) => value && h("div", null, h("dt", null, t(name)), h("dd", null, value));
const warning = (text) => h("p", { class: "warning" }, text);
const facts = (pairs) => h("dl", { class: "facts" }, pairs.map(fact));

/** What the port shows, until when, and how a device is told to trust it; null when that is not told. */
async function certificateCard(page) {
  const told = await page.call("tls.status");
  if (!told) return null;
  const { mode, certificate, authority, left_out: left, problem } = told;
  const omitted = left.map((name) => t("tls-left-out", { name: legible(name) }));
  const warnings = [...omitted, legible(problem)].filter(Boolean);
  const file = (name) => h("a", { href: `/${name}`, download: "" }, name);
  const ways = h("ul", null, DEVICES.map((name) => h("li", null, t(`tls-how-${name}`))));
  const trust = authority && [
    h("p", null, t("tls-trust"), " ", file("ca.crt"), ", ", file("ca.pem")),
    h("details", null, h("summary", null, t("tls-how")), ways),
  ];
  const shown = certificate && facts([
    ["tls-names", certificate.names.map(legible).join(", ")],
    ["tls-until", formatMoment(certificate.until)],
    ["tls-renews", told.renews_at && formatMoment(told.renews_at)],
    ["tls-fingerprint", authority && h("code", null, authority.fingerprint)],
  ]);
  const state = badge(t(`tls-${mode}`), mode === "off" ? "quiet" : "ok");
  return card(t("tls-title"), h("p", null, state), warnings.map(warning), shown, trust);
}

/** Who reaches the gateway through Tailscale, and buttons that change it; null where it is not installed. */
async function tailscaleCard(page) {
  const told = await page.app.rpc.call("tailscale.status", {}).catch(() => null);
  if (!told?.installed) return null;
  const change = async (mode) => {
    const question = [t("tailscale-funnel"), t("tailscale-public"), t("tailscale-to-funnel")];
    if (mode === "funnel" && !(await confirmed(page.app, ...question))) return;
    if (await page.call("tailscale.configure", { mode })) await page.refresh();
  };
  const modes = Object.keys(REACH).filter((mode) => mode !== told.mode && (!told.problem || mode === "off"));
  const toneOf = (mode) => (mode === "funnel" ? "danger" : "quiet");
  const act = (mode) => button(t(`tailscale-to-${mode}`), () => change(mode), { tone: toneOf(mode) });
  const problem = told.problem && warning(legible(`${told.problem}: ${told.remedy}`));
  const link = told.url && h("a", { href: told.url }, legible(told.url));
  const state = h("p", null, badge(t(`tailscale-${told.mode}`), REACH[told.mode]));
  return card("Tailscale", state, problem, facts([["tailscale-at", link]]), rowButtons(modes.map(act)));
}

const SCOPES = ["read", "write", "approve", "admin"];
const TRUST = ["owner", "known", "stranger"];

/** The cards about credentials, for whoever may look at them. */
async function credentialCards(page) {
  const known = await standing().catch(() => null);
  if (!known?.scopes.includes("admin")) return [];
  const asked = ["owner.status", "signin.list", "token.list"].map((operation) => page.call(operation));
  const [owner, signins, tokens] = await Promise.all(asked);
  if (!owner || !signins || !tokens) return [];
  return [ownCard(page, known, owner), browserCard(page, signins), tokenCard(page, known, tokens.tokens)];
}

function ownCard(page, known, { passkeys, password, free }) {
  const title = t("access-own");
  const unowned = h("p", null, t(free ? "access-free" : "access-unowned"));
  if (!known.owned && known.how !== "code") return card(title, unowned, toSetup());
  const takeAway = (id) => (current) => ask(`api/passkeys/${id}`, { current }, "DELETE");
  const remove = ({ id, name }) => certain(page, t("remove"), name, takeAway(id));
  const passkey = t("passkey-of", { host: known.passkey_host });
  const buttons = (each) => rowButtons(button(t("rename"), () => rename(page, each)), removal(() => remove(each)));
  const make = () => certain(page, "", "", (current) => makePasskey(passkey, current));
  const columns = [
    { title: t("name"), cell: ({ name }) => legible(name) },
    { title: t("access-host"), cell: ({ host }) => host },
    { title: t("access-used"), cell: ({ last_used_at: at }) => moment(at) },
    { title: t("actions"), cell: buttons, className: "buttons" },
  ];
  const word = { ...NEW_WORD, label: t("password-new"), hint: t("password-hint"), required: true };
  const set = (values) => certain(page, "", "", (current) => ask("api/owner/password", { ...values, current }));
  const unset = (current) => ask("api/owner/password", { new: null, current });
  const forget = () => certain(page, t("password-remove"), t("password"), unset);
  const [caption, empty] = [t("access-passkeys"), t("access-no-passkeys")];
  const submit = t(password ? "password-change" : "password-set");
  return card(
    title,
    table({ caption, columns, rows: passkeys, empty, key: ({ id }) => id }),
    known.passkey_host && hasPasskeys() && button(t("passkey-make"), make, { icon: "plus" }),
    form({ fields: [word], submit, label: t("password"), onsubmit: set }),
    password && button(t("password-remove"), forget, { tone: "danger" }),
  );
}

function browserCard(page, { signins, current }) {
  const end = (id) => change(page, () => ask(`api/signins/${id}`, {}, "DELETE"));
  const mark = (id) => (id === current ? badge(t("access-this"), "ok") : "");
  const endAll = (others) => change(page, () => ask("api/owner/sign-out", { others }));
  const columns = [
    { title: t("access-browser"), cell: ({ id, browser }) => [legible(browser) || "—", mark(id)] },
    { title: t("access-how"), cell: ({ how }) => t(`signed-in-${how}`) },
    { title: t("from"), cell: ({ address }) => address || "—" },
    { title: t("access-seen"), cell: ({ last_seen_at: at }) => moment(at) },
    { title: t("actions"), cell: ({ id }) => rowButtons(button(t("sign-out"), () => end(id))), className: "buttons" },
  ];
  const all = signins.length > 0 && [
    signins.length > 1 && current && button(t("access-end-others"), () => endAll(true)),
    button(t("access-end-all"), () => endAll(false), { tone: "danger" }),
  ];
  const caption = t("access-browsers");
  const list = table({ caption, columns, rows: signins, empty: t("access-nobody"), key: ({ id }) => id });
  return card(caption, list, all && rowButtons(...all));
}

function tokenCard(page, known, tokens) {
  const end = (id) => (current) => ask(`api/tokens/${id}`, { current }, "DELETE");
  const revoke = ({ id, name }) => certain(page, t("access-revoke"), name, end(id));
  const columns = [
    { title: t("name"), cell: ({ name }) => legible(name) },
    { title: t("may"), cell: ({ scopes, trust }) => `${scopes.join(", ")} · ${trust}` },
    { title: t("access-used"), cell: ({ last_used_at: at }) => moment(at) },
    { title: t("actions"), cell: (each) => rowButtons(removal(() => revoke(each))), className: "buttons" },
  ];
  const fields = [
    { name: "name", label: t("name"), required: true, maxlength: 200 },
    { name: "scope", label: t("may"), hint: t("access-scopes-hint"), type: "select", options: SCOPES },
    { name: "trust", label: t("access-trust"), hint: t("access-trust-hint"), type: "select", options: TRUST },
  ];
  const make = async ({ name, scope, trust }, current) => {
    page.secret = (await ask("api/tokens", { name, scopes: [scope], trust, current })).secret;
    // The first credential ends free access, and with it this page.
    const field = h("input", { value: page.secret, readonly: true, "aria-label": t("token") });
    if (known.free) await page.app.ask(t("access-once"), field, t("next"));
  };
  const create = (values) => certain(page, "", "", (current) => make(values, current));
  const copy = button(t("copy"), () => copyText(page.secret), { icon: "copy" });
  const once = page.secret && [h("p", null, t("access-once")), h("p", null, h("code", null, page.secret)), copy];
  const values = { scope: "write", trust: "owner" };
  const caption = t("access-tokens");
  const list = table({ caption, columns, rows: tokens, empty: t("access-no-tokens"), key: ({ id }) => id });
  const add = form({ fields, values, submit: t("access-create"), label: t("access-create"), onsubmit: create });
  return card(caption, list, add, h("div", { role: "status" }, once));
}

const moment = (at) => (at ? formatMoment(at) : "—");
const removal = (action) => button(t("remove"), action, { tone: "danger" });
const toSetup = () => h("a", { class: "link", href: "#/setup" }, t("setup"));

async function rename(page, { id, name }) {
  const field = h("input", { value: name, maxlength: 200, "aria-label": t("name") });
  if (!(await page.app.ask(t("rename"), field, t("save")))) return;
  await change(page, () => ask(`api/passkeys/${id}`, { name: field.value }, "PATCH"));
}

/** Change something, and show how it is now; who has signed themselves out is led to the sign-in. */
async function change(page, work) {
  await work();
  if (!(await standing()).signed_in) page.app.leave();
  await page.refresh();
}

/** The same for what only the owner may: who signed in a while ago shows a passkey or says the password first. */
async function certain(page, question, text, work) {
  if (question && !(await confirmed(page.app, question, text, question))) return;
  try {
    await change(page, () => work("").catch((error) => again(page, error, work)));
  } catch (error) {
    if (error instanceof DOMException) page.app.announce(told(error));
    else throw error;
  }
}

async function again(page, error, work) {
  if (!(error instanceof RpcError) || error.code !== 403) throw error;
  const { passkeys, password } = await standing();
  if (passkeys && hasPasskeys()) {
    await showPasskey();
    page.app.rpc.restart();
    return work("");
  }
  const field = h("input", { type: "password", autocomplete: "current-password", "aria-label": t("password") });
  if (!password || !(await page.app.ask(t("password-current"), field, t("next")))) throw error;
  return work(field.value);
}
