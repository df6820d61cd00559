// Which model answers in a session, and how much it thinks: said in a line, asked in a dialog, and tried in a copy.

import { formDialog, t } from "../kit.js";

const EFFORTS = ["off", "low", "medium", "high"];

/** The model and the effort of a session, in a few words; of an agent that is no more, its name; "" until that is
 * known, and what can be chosen. */
export function choiceOf(app, { agent, chosen, effort }) {
  if (!app.agents.length) return "";
  const usual = app.agents.find(({ name }) => name === agent)?.model ?? "";
  const model = [chosen, usual || agent].find((name) => name && name !== "auto");
  return [model, effort && t(`effort-${effort}`)].filter(Boolean).join(" · ");
}

const nameOf = ({ provider, model }) => `${provider}/${model}`;
const modelNames = (rpc) => rpc.call("model.list").then(({ models }) => models.map(nameOf), () => []);

/** Ask for a model and an effort, and where there is one for an agent, and do something with them, as
 * `act({model, effort, agent})`; whether that was done. */
export function askModel(app, title, submit, { agent = "", chosen = "", effort = "" }, act) {
  const efforts = ["", ...EFFORTS].map((value) => ({ value, label: t(`effort-${value || "usual"}`) }));
  const agents = app.agents.map(({ name, title: called }) => ({ value: name, label: called || name }));
  const isChoice = agent && agents.some(({ value }) => value !== agent);
  return formDialog(title, {
    fields: [
      ...(isChoice ? [{ name: "agent", label: t("agent"), type: "select", options: agents }] : []),
      { name: "model", label: t("model"), hint: t("model-hint"), options: modelNames(app.rpc), spellcheck: "false" },
      { name: "effort", label: t("effort"), type: "select", options: efforts },
    ],
    values: { agent, model: chosen, effort },
    submit,
    onsubmit: act,
  });
}

/** Say a message {seq, text, attachments} in a copy of its session that ends before it, with another model if one is
 * chosen; the id of the copy. */
export async function sayInCopy(app, session, { seq, text, attachments = [] }, choice = null) {
  const { id } = await app.rpc.call("session.fork", { session, at: seq - 1 });
  if (choice) await app.rpc.call("session.configure", { session: id, ...choice });
  app.outbox.add({ session: id, text, attachments });
  app.sessions.refresh();
  return id;
}

/** Ask for a model, say a message to it in a copy of the session, and show both side by side. */
export async function replay(app, session, message) {
  let copy = "";
  const again = async (choice) => (copy = await sayInCopy(app, session, message, choice));
  if (await askModel(app, t("replay"), t("replay-now"), {}, again)) location.hash = `#/pair/${session}/${copy}`;
}
