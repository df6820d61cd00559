// The screens besides the sessions, in the order of their links in the sidebar. `#/NAME` opens one; its link says
// `screen-NAME` and shows `icon`. A `view` is made with the app and has `element`, `update()`, `focus()` and `close()`.

import { Activity } from "./views/activity.js";
import { Costs } from "./views/costs.js";
import { Models } from "./views/models.js";

export const SCREENS = {
  costs: { icon: "coins", view: Costs },
  models: { icon: "model", view: Models },
  activity: { icon: "clock", view: Activity },
};
