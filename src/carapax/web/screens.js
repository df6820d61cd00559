// The screens besides the sessions, in the order of their links in the sidebar. `#/NAME` opens one, `#/NAME/PATH` a
// place in it; its link says `screen-NAME`, shows `icon` and stands in `group`. Its code is loaded when it is opened
// first: `load` gives a class like `Page` of kit.js. `shown(app)` may say that there is nothing that it could be about.

export const GROUPS = ["work", "agents", "gateway"];

const channels = async () => (await import("./views/channels.js")).Channels;
export const SCREENS = {
  sessions: { group: "work", icon: "chat", load: async () => (await import("./views/sessions.js")).Sessions },
  approvals: { group: "work", icon: "hand", load: async () => (await import("./views/approvals.js")).ApprovalList },
  costs: { group: "work", icon: "coins", load: async () => (await import("./views/costs.js")).Costs },
  activity: { group: "work", icon: "clock", load: async () => (await import("./views/activity.js")).Activity },
  agents: { group: "agents", icon: "person", load: async () => (await import("./views/agents.js")).Agents },
  tools: { group: "agents", icon: "tool", load: async () => (await import("./views/tools.js")).Tools },
  models: { group: "agents", icon: "model", load: async () => (await import("./views/models.js")).Models },
  secrets: { group: "agents", icon: "key", load: async () => (await import("./views/secrets.js")).Secrets },
  channels: { group: "gateway", icon: "globe", load: channels, shown: (app) => app.hasChannels },
  access: { group: "gateway", icon: "lock", load: async () => (await import("./views/access.js")).Access },
  health: { group: "gateway", icon: "pulse", load: async () => (await import("./views/health.js")).Health },
  settings: { group: "gateway", icon: "gear", load: async () => (await import("./views/settings.js")).Settings },
  wizard: { group: "", icon: "check", load: async () => (await import("./views/wizard.js")).Wizard },
};

/** The names of the screens that there are now. */
export const shownScreens = (app) => Object.keys(SCREENS).filter((name) => SCREENS[name].shown?.(app) ?? true);
