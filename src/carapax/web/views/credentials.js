// What people and programs show to come in: passkeys and password, the browsers that are in, keys for programs.

import { ask, hasPasskeys, makePasskey, showPasskey, standing, told } from "../auth.js";
import { copyText, h } from "../dom.js";
import { formatMoment, legible } from "../format.js";
import { badge, button, card, confirmed, form, table } from "../kit.js";
import { RpcError } from "../rpc.js";
import { t } from "../strings.js";
import { NEW_WORD } from "./signin.js";

const SCOPES = ["read", "write", "approve", "admin"];
const TRUST = ["owner", "known", "stranger"];

/** The cards about credentials, for whoever may look at them. */
export async function credentialCards(page) {
  const known = await standing().catch(() => null);
  if (!known?.scopes.includes("admin")) return [];
  const asked = [page.call("owner.status"), page.call("signin.list"), page.call("token.list")];
  const [owner, signins, tokens] = await Promise.all(asked);
  if (!owner || !signins || !tokens) return [];
  return [ownCard(page, known, owner), browserCard(page, signins), tokenCard(page, known, tokens.tokens)];
}

function ownCard(page, known, { passkeys, password, free }) {
  const title = t("access-own");
  if (!known.owned && known.how !== "code") return card(title, h("p", null, t(free ? "access-free" : "access-unowned")), toSetup());
  const remove = ({ id, name }) => certain(page, t("access-remove"), name, (current) => ask(`api/passkeys/${id}`, { current }, "DELETE"));
  const make = () => certain(page, "", "", (current) => makePasskey(t("passkey-of", { host: known.passkey_host }), current));
  const columns = [
    { title: t("access-name"), cell: ({ name }) => legible(name) },
    { title: t("access-host"), cell: ({ host }) => host },
    { title: t("access-used"), cell: ({ last_used_at: at }) => moment(at) },
    { title: t("actions"), cell: (each) => rowButtons(button(t("rename"), () => rename(page, each)), removal(() => remove(each))), className: "buttons" },
  ];
  const word = { ...NEW_WORD, label: t("password-new"), hint: t("password-hint"), required: true };
  const set = (values) => certain(page, "", "", (current) => ask("api/owner/password", { ...values, current }));
  const forget = () => certain(page, t("password-remove"), t("password"), (current) => ask("api/owner/password", { new: null, current }));
  return card(
    title,
    table({ caption: t("access-passkeys"), columns, rows: passkeys, empty: t("access-no-passkeys"), key: ({ id }) => id }),
    known.passkey_host && hasPasskeys() && button(t("passkey-make"), make, { icon: "plus" }),
    form({ fields: [word], submit: t(password ? "password-change" : "password-set"), label: t("password"), onsubmit: set }),
    password && button(t("password-remove"), forget, { tone: "danger" }),
  );
}

function browserCard(page, { signins, current }) {
  const end = (id) => change(page, () => ask(`api/signins/${id}`, {}, "DELETE"));
  const endAll = (others) => change(page, () => ask("api/owner/sign-out", { others }));
  const columns = [
    { title: t("access-browser"), cell: ({ id, browser }) => [legible(browser) || "—", id === current && badge(t("access-this"), "ok")].filter(Boolean) },
    { title: t("access-how"), cell: ({ how }) => t(`signed-in-${how}`) },
    { title: t("access-address"), cell: ({ address }) => address || "—" },
    { title: t("access-seen"), cell: ({ last_seen_at: at }) => moment(at) },
    { title: t("actions"), cell: ({ id }) => rowButtons(button(t("sign-out"), () => end(id))), className: "buttons" },
  ];
  const shown = columns.map((column) => ({ ...column, cell: (row) => h("span", null, column.cell(row)) }));
  const all = signins.length > 0 && [
    signins.length > 1 && current && button(t("access-end-others"), () => endAll(true)),
    button(t("access-end-all"), () => endAll(false), { tone: "danger" }),
  ];
  const caption = t("access-browsers");
  const list = table({ caption, columns: shown, rows: signins, empty: t("access-nobody"), key: ({ id }) => id });
  return card(caption, list, all && rowButtons(...all));
}

function tokenCard(page, known, tokens) {
  const revoke = async ({ id, name }) => {
    await certain(page, t("access-revoke"), name, (current) => ask(`api/tokens/${id}`, { current }, "DELETE"));
  };
  const columns = [
    { title: t("access-name"), cell: ({ name }) => legible(name) },
    { title: t("access-scopes"), cell: ({ scopes, trust }) => `${scopes.join(", ")} · ${trust}` },
    { title: t("access-used"), cell: ({ last_used_at: at }) => moment(at) },
    { title: t("actions"), cell: (each) => rowButtons(removal(() => revoke(each))), className: "buttons" },
  ];
  const fields = [
    { name: "name", label: t("access-name"), required: true, maxlength: 200 },
    { name: "scope", label: t("access-scopes"), hint: t("access-scopes-hint"), type: "select", options: SCOPES },
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
const rowButtons = (...buttons) => h("div", { class: "actions" }, buttons);
const removal = (action) => button(t("access-remove"), action, { tone: "danger" });
const toSetup = () => h("a", { class: "link", href: "#/setup" }, t("setup"));

async function rename(page, { id, name }) {
  const field = h("input", { value: name, maxlength: 200, "aria-label": t("access-name") });
  if (await page.app.ask(t("rename"), field, t("save"))) await change(page, () => ask(`api/passkeys/${id}`, { name: field.value }, "PATCH"));
}

/** Change something, and show how it is now; who has signed themselves out is led to the sign-in. */
async function change(page, work) {
  await work();
  if (!(await standing()).signed_in) location.reload();
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
