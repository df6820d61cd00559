// Events of a session folded to what a conversation shows. Pure: no page, no network, no clock.
//
// A view is changed in place by `apply`; `rev` of an item grows whenever it must be drawn again. Items are
//   {type: "user", id, key, text, at, seq, waiting, marks}: what a person said, and how it looks like orders to agents
//   {type: "answer", parts, at, seq, run, live, model, usage, origins, ends}: one answer of the model, what it rests
//     on, and whether its run ended with it
//   {type: "notice", tone, code, ...}: an end that was not "done", a compaction, another model, ...
// and parts of an answer are {type: "text"|"thinking", text} or
//   {type: "tool", id, name, arguments, state, progress, result, startedAt, elapsed, approval}
// with state "writing" (the model is still writing it), "waiting", "asking" (a person, see `approval`), "running",
// "done", "refused" (by a person), "error" or "stopped". An approval is what was asked, `at` when, and the answer
// `given`, null until then, whose verdict is "allow", "deny" or "void" when the run ended before.
//
// Of a view, `model` is the one that answered last, and `chosen` and `effort` what a person chose for what follows.
// `origins` of a view is what others wrote and the session has read, as the gateway counts it: once read, it stays.
// Each is {kind, name, source, seq}, where `source` is the id of the call or of the message that brought it first, and
// `seq` where it was read last. Only a person who vouches for it takes it away.

const PROGRESS_LIMIT = 64 * 1024;
const OPEN = new Set(["writing", "waiting", "asking", "running"]);
const TRUSTED = new Set(["owner", "known"]);

export function emptyView() {
  return {
    seq: 0, agent: "", model: "", chosen: "", effort: "", title: "", channel: "", forkedFrom: "", forkedAt: 0,
    items: [], waiting: [], run: null, live: null, calls: new Map(), ended: false, missed: false, finished: 0,
    input: 0, output: 0, approvals: new Map(), origins: [],
  };
}

export function fold(envelopes) {
  const view = emptyView();
  for (const envelope of envelopes) apply(view, envelope);
  return view;
}

/** Take one envelope. Says whether anything changed: what was seen before, and what is stale, changes nothing. */
export function apply(view, envelope) {
  const { event } = envelope;
  const streamed = STREAMED[event.kind];
  if (streamed) {
    if (envelope.seq < view.seq || !view.run || (envelope.run && envelope.run !== view.run.id)) return false;
    streamed(view, event, envelope);
    return true;
  }
  if (envelope.seq <= view.seq) return false;
  view.seq = envelope.seq;
  KEPT[event.kind]?.(view, event, envelope);
  return true;
}

/** Streamed events may have been missed: the answer that is being written has a hole until it is there in full. */
export const markMissed = (view) => (view.missed = view.run !== null);

export const isStreamed = (kind) => kind in STREAMED;

function push(view, item) {
  item.rev = 0;
  view.items.push(item);
  return item;
}

function take(view, ids) {
  for (const id of ids ?? []) {
    const index = view.waiting.findIndex((message) => message.id === id);
    if (index < 0) continue;
    const [message] = view.waiting.splice(index, 1);
    message.waiting = false;
    message.rev += 1;
    view.items.push(message);
    if (!TRUSTED.has(message.trust)) read(view, { kind: "stranger", name: message.sender }, message.id);
    for (const { name } of message.attachments ?? []) read(view, { kind: "file", name }, message.id);
  }
}

/** Answers keep the list as it was, so it is never changed in place. `seq` is where it was read last. */
function read(view, { kind, name = "" }, source) {
  if (TRUSTED.has(kind)) return;
  const { seq } = view;
  const isSame = (known) => known.kind === kind && known.name === name;
  if (!view.origins.some(isSame)) view.origins = [...view.origins, { kind, name, source, seq }];
  else view.origins = view.origins.map((known) => (isSame(known) ? { ...known, seq } : known));
}

function liveAnswer(view, at) {
  const { run, origins } = view;
  const about = { run: run.id, model: run.model, usage: null, origins };
  view.live ??= push(view, { type: "answer", parts: [], at, seq: 0, live: true, ...about });
  return view.live;
}

function grow(view, type, text, at) {
  const answer = liveAnswer(view, at);
  let part = answer.parts.at(-1);
  if (part?.type !== type) answer.parts.push((part = { type, text: "", rev: 0 }));
  part.text += view.missed ? `… ${text}` : text;
  view.missed = false;
  touch(answer, part);
}

function touch(answer, part) {
  part.rev += 1;
  answer.rev += 1;
}

function change({ tool, answer }, changes) {
  Object.assign(tool, changes);
  touch(answer, tool);
}

function notice(view, tone, code, { at, seq }, more) {
  push(view, { type: "notice", tone, code, at, seq, ...more });
}

function newTool({ id, name, arguments: given }, state) {
  const fresh = { progress: "", result: "", startedAt: 0, elapsed: 0, approval: null, rev: 0 };
  return { type: "tool", id, name, arguments: given, state, ...fresh };
}

/** A call that the model's answer does not show, because a person made it or a restart came between, gets its own. */
function pushCall(view, call, { at, seq }) {
  const tool = newTool(call, "waiting");
  const answer = { type: "answer", parts: [tool], at, seq, byHand: !view.run, origins: view.origins };
  const found = { tool, answer: push(view, answer) };
  view.calls.set(call.id, found);
  return found;
}

function giveUp(view, at) {
  for (const found of view.approvals.values()) {
    found.tool.approval.given = { verdict: "void", by: "", at };
    change(found, { state: "waiting" });
  }
  view.approvals.clear();
}

/** Neighbours of the same kind are one, as they were when they streamed. */
function mergeText(parts) {
  const merged = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (part.type !== "tool_call" && last?.type === part.type) last.text += part.text;
    else merged.push({ ...part });
  }
  return merged;
}

function dropLive(view) {
  if (view.live) view.items.splice(view.items.indexOf(view.live), 1);
  view.live = null;
}

/** What a run had begun to say is said anew by the one that goes on with it. */
function dropBegun(view, run) {
  dropLive(view);
  view.items = view.items.filter((item) => !(item.cut && item.run === run));
}

/** The end of a run: nothing stays open that nobody will close. */
function closeRun(view, at) {
  const { live } = view;
  giveUp(view, at);
  if (live && !live.parts.some((part) => part.text || part.name)) dropLive(view);
  else if (live) Object.assign(live, { live: false, cut: true, rev: live.rev + 1 });
  const open = [...view.calls.values(), ...(live?.parts ?? []).map((tool) => ({ tool, answer: live }))];
  for (const each of open) if (OPEN.has(each.tool.state)) change(each, { state: "stopped" });
  Object.assign(view, { live: null, run: null, missed: false });
  view.calls.clear();
}

const KEPT = {
  session_started(view, event) {
    view.agent = event.agent;
    view.model = view.chosen = event.model ?? "";
    view.channel = event.channel;
    view.forkedFrom = event.forked_from ?? "";
    view.forkedAt = event.forked_at ?? 0;
  },

  message_received(view, event, { seq, at }) {
    const { id, text, dedupe_key: key = "", sender, attachments, marks } = event;
    const { id: from = "", trust = "owner", name = trust === "owner" ? "" : from } = sender ?? {};
    const said = { id, key, text, name, sender: from, trust, at, seq, attachments, marks };
    view.waiting.push({ type: "user", ...said, waiting: true, rev: 0 });
  },

  run_started(view, event, { run, at, seq }) {
    if (event.resumes) dropBegun(view, event.resumes);
    else if (view.run) closeRun(view, at);
    giveUp(view, at);
    take(view, event.messages);
    view.run = { id: run, at, model: event.model };
    if (event.resumes) notice(view, "info", "resumed", { at, seq });
  },

  steered: (view, { messages }) => take(view, messages),

  model_responded(view, event, { at, seq, run }) {
    const { message } = event;
    const answer = view.live ?? push(view, { type: "answer", parts: [], at, seq });
    answer.parts = mergeText(message.parts).map((part, index) => {
      const rev = (answer.parts[index]?.rev ?? 0) + 1;
      if (part.type !== "tool_call") return { type: part.type, text: part.text, rev };
      const tool = { ...newTool(part, "waiting"), rev };
      view.calls.set(part.id, { tool, answer });
      return tool;
    });
    const usage = message.usage ?? {};
    view.input += usage.input ?? 0;
    view.output += usage.output ?? 0;
    const { model, provider, stop_reason: stop = "end" } = message;
    Object.assign(answer, { live: false, at, seq, run, model, provider, usage, origins: view.origins, stop });
    answer.rev += 1;
    if (provider) view.model = `${provider}/${model}`;
    Object.assign(view, { live: null, missed: false });
  },

  tool_called(view, event, envelope) {
    let found = view.calls.get(event.call.id);
    if (found?.tool.state !== "waiting") found = pushCall(view, event.call, envelope);
    change(found, { state: "running", startedAt: envelope.at, arguments: event.call.arguments });
  },

  tool_returned(view, event) {
    const id = event.result.call_id;
    for (const origin of event.origins ?? []) read(view, origin, id);
    const found = view.calls.get(id);
    if (!found) return;
    const { text, is_error: isError = false } = event.result;
    const isRefused = isError && found.tool.approval?.given?.verdict === "deny";
    const state = isRefused ? "refused" : isError ? "error" : "done";
    change(found, { state, result: text, elapsed: event.elapsed_s ?? 0 });
  },

  approval_asked(view, event, envelope) {
    const { call_id: id, tool: name, expires_at: expiresAt, origins = [], kind, ...asked } = event;
    const found = view.calls.get(id) ?? pushCall(view, { id, name, arguments: "" }, envelope);
    const approval = { ...asked, tool: name, origins, expiresAt, at: envelope.at, given: null };
    view.approvals.set(event.id, found);
    change(found, { state: "asking", approval });
  },

  approval_given(view, event, { at }) {
    const found = view.approvals.get(event.id);
    if (!found) return;
    view.approvals.delete(event.id);
    const { kind, id, by = "", ...given } = event;
    found.tool.approval.given = { ...given, by, at };
    change(found, { state: "waiting" });
  },

  vouched: (view, { upto }) => (view.origins = view.origins.filter(({ seq }) => seq > upto)),
  state_changed(view, { key, value }, envelope) {
    if (!["title", "model", "effort", "agent"].includes(key)) return;
    view[key] = value ?? "";
    if (key === "model") view.chosen = view.model;
    if (key !== "title") notice(view, "info", value ? key : `${key}-usual`, envelope, { detail: value });
  },

  send_failed: (view, { error }, envelope) => notice(view, "error", "unsent", envelope, { detail: error }),

  history_compacted: (view, { upto, facts, summary }, envelope) =>
    notice(view, "info", "compacted", envelope, { upto, facts, summary }),

  budget_reached(view, { percent, budget, spent_usd: spent, limit_usd: limit }, envelope) {
    const code = percent < 100 ? "budget" : "spent";
    notice(view, "warning", code, envelope, { budget: { percent, budget, spent, limit } });
  },

  run_finished(view, event, { at, seq, run }) {
    closeRun(view, at);
    view.finished = seq;
    const last = view.items.findLast((item) => item.type === "answer" && item.run === run);
    if (last) Object.assign(last, { ends: true, rev: last.rev + 1 });
    if (event.reason === "done") return;
    const tone = event.reason === "cancelled" ? "info" : event.reason === "failed" ? "error" : "warning";
    notice(view, tone, event.reason, { at, seq }, { detail: event.detail ?? "" });
  },

  session_ended(view, { reason: detail = "" }, envelope) {
    closeRun(view, envelope.at);
    view.ended = true;
    notice(view, "info", "ended", envelope, { detail });
  },
};

const STREAMED = {
  text_delta: (view, event, { at }) => grow(view, "text", event.text, at),
  thinking_delta: (view, event, { at }) => grow(view, "thinking", event.text, at),

  tool_arguments_delta(view, event, { at }) {
    const answer = liveAnswer(view, at);
    let part = answer.parts.find((each) => each.type === "tool" && each.index === event.index);
    if (!part) {
      part = newTool({ id: event.id ?? "", name: event.name ?? "", arguments: "" }, "writing");
      part.index = event.index;
      answer.parts.push(part);
    }
    part.arguments += event.text;
    touch(answer, part);
  },

  tool_progress(view, event) {
    const found = view.calls.get(event.call_id);
    if (found?.tool.state !== "running") return;
    change(found, { progress: (found.tool.progress + event.text).slice(-PROGRESS_LIMIT) });
  },

  stream_reset: (view) => dropLive(view),
};
