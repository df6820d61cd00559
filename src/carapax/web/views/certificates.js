// How the gateway's port is encrypted, whom devices have to trust for it, and who reaches it through Tailscale.

import { h } from "../dom.js";
import { formatMoment, legible } from "../format.js";
import { badge, button, card, confirmed } from "../kit.js";
import { t } from "../strings.js";

const DEVICES = ["phone", "android", "firefox", "windows", "mac", "linux"];
const REACH = { off: "quiet", serve: "ok", funnel: "warn" };

const fact = ([name, value]) => value && h("div", null, h("dt", null, t(name)), h("dd", null, value));
const facts = (pairs) => h("dl", { class: "facts" }, pairs.map(fact));

/** What the port shows, until when, and how a device is told to trust it; null when that is not told. */
export async function certificateCard(page) {
  const told = await page.call("tls.status");
  if (!told) return null;
  const { mode, certificate, authority, left_out: left, problem } = told;
  const warnings = [...left.map((name) => t("tls-left-out", { name: legible(name) })), legible(problem)].filter(Boolean);
  const trust = authority && [
    h("p", null, t("tls-trust"), " ", h("a", { href: "/ca.crt", download: "" }, "ca.crt"), ", ", h("a", { href: "/ca.pem", download: "" }, "ca.pem")),
    h("details", null, h("summary", null, t("tls-how")), h("ul", null, DEVICES.map((name) => h("li", null, t(`tls-how-${name}`))))),
  ];
  const shown = certificate && facts([
    ["tls-names", certificate.names.map(legible).join(", ")],
    ["tls-until", formatMoment(certificate.until)],
    ["tls-renews", told.renews_at && formatMoment(told.renews_at)],
    ["tls-fingerprint", authority && h("code", null, authority.fingerprint)],
  ]);
  const state = badge(t(`tls-${mode}`), mode === "off" ? "quiet" : "ok");
  return card(t("tls-title"), h("p", null, state), warnings.map((text) => h("p", { class: "warning" }, text)), shown, trust);
}

/** Who reaches the gateway through Tailscale, and buttons that change it; null where it is not installed. */
export async function tailscaleCard(page) {
  const told = await page.app.rpc.call("tailscale.status", {}).catch(() => null);
  if (!told?.installed) return null;
  const change = async (mode) => {
    if (mode === "funnel" && !(await confirmed(page.app, t("tailscale-funnel"), t("tailscale-public"), t("tailscale-to-funnel")))) return;
    if (await page.call("tailscale.configure", { mode })) await page.refresh();
  };
  const modes = Object.keys(REACH).filter((mode) => mode !== told.mode && (!told.problem || mode === "off"));
  const buttons = modes.map((mode) => button(t(`tailscale-to-${mode}`), () => change(mode), { tone: mode === "funnel" ? "danger" : "quiet" }));
  const problem = told.problem && h("p", { class: "warning" }, legible(`${told.problem}: ${told.remedy}`));
  const link = told.url && h("a", { href: told.url }, legible(told.url));
  return card("Tailscale", h("p", null, badge(t(`tailscale-${told.mode}`), REACH[told.mode])), problem, facts([["tailscale-at", link]]), h("div", { class: "actions" }, buttons));
}
