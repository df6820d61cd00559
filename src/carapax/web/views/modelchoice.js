// Which model answers in a session, and how much it thinks: said in a line, and asked in a dialog.

import { formDialog } from "../kit.js";
import { t } from "../strings.js";

const EFFORTS = ["off", "low", "medium", "high"];
let offered = null;

/** The model and the effort of a session, in a few words. */
export function choiceOf(app, { agent, chosen, effort }) {
  const usual = app.agents.find(({ name }) => name === agent)?.model ?? "";
  return [[chosen, usual].find((name) => name && name !== "auto"), effort && t(`effort-${effort}`)].filter(Boolean).join(" · ");
}

async function modelNames(rpc) {
  try {
    const { models } = await rpc.call("model.list");
    return models.map(({ provider, model }) => `${provider}/${model}`);
  } catch {
    offered = null; // asked again for the next dialog
    return [];
  }
}

/** Ask for a model and an effort and do something with them, as `act({model, effort})`; whether that was done. */
export function askModel(app, title, submit, { chosen = "", effort = "" }, act) {
  offered ??= modelNames(app.rpc);
  const efforts = ["", ...EFFORTS].map((value) => ({ value, label: t(`effort-${value || "usual"}`) }));
  return formDialog(title, {
    fields: [
      { name: "model", label: t("model"), hint: t("model-hint"), options: offered, spellcheck: "false" },
      { name: "effort", label: t("effort"), type: "select", options: efforts },
    ],
    values: { model: chosen, effort },
    submit,
    onsubmit: act,
  });
}
