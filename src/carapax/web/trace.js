// Events of a session folded to its runs, and what each was busy with. Pure: no page, no network, no clock.
//
// A run is {id, from, to, reason, input, output, spans}, a span {kind, name, from, to, seq, bad, tokens}; `to` is null
// while it goes on. Kinds: "queue" (a message waits), "model", "tool", "approval" (a person is asked), "compaction".

/** The runs of a session, oldest first. */
export function traces(envelopes) {
  const state = { runs: [], run: null, received: new Map(), open: new Map(), mark: 0 };
  for (const envelope of envelopes) FOLD[envelope.event.kind]?.(state, envelope.event, envelope);
  return state.runs;
}

function begin(state, kind, name, { at, seq }, id) {
  const span = { kind, name, from: at, to: null, seq, bad: false, tokens: null };
  state.run?.spans.push(span);
  state.open.set(id, span);
}

function end(state, id, at, bad) {
  const span = state.open.get(id);
  if (span) Object.assign(span, { to: at, bad });
  state.open.delete(id);
  state.mark = at;
}

function take(state, ids, { at, seq }) {
  for (const id of ids ?? []) {
    const { from, text } = state.received.get(id) ?? {};
    if (from) state.run?.spans.push({ kind: "queue", name: text, from, to: at, seq, bad: false, tokens: null });
  }
}

/** What the model does begins when there is nothing else to wait for. */
function asked(state, kind, name, { at, seq }, tokens = null, bad = false) {
  state.run?.spans.push({ kind, name, from: state.mark, to: at, seq, bad, tokens });
  state.mark = at;
}

function finish(state, at, reason) {
  for (const id of [...state.open.keys()]) end(state, id, at, true);
  if (state.run) Object.assign(state.run, { to: at, reason });
  state.run = null;
}

const FOLD = {
  message_received: ({ received }, { id, text }, { at }) => received.set(id, { from: at, text }),

  run_started(state, { messages }, envelope) {
    if (state.run) finish(state, envelope.at, "interrupted");
    const { run: id, at: from, seq } = envelope;
    state.run = { id, from, to: null, reason: "", input: 0, output: 0, spans: [], seq };
    state.runs.push(state.run);
    state.mark = envelope.at;
    take(state, messages, envelope);
  },

  steered: (state, { messages }, envelope) => take(state, messages, envelope),

  model_responded(state, { message }, envelope) {
    const { input = 0, output = 0 } = message.usage ?? {};
    asked(state, "model", [message.provider, message.model].filter(Boolean).join("/"), envelope, { input, output });
    if (state.run) Object.assign(state.run, { input: state.run.input + input, output: state.run.output + output });
  },

  history_compacted: (state, event, envelope) => asked(state, "compaction", "", envelope),
  tool_called: (state, { call }, envelope) => begin(state, "tool", call.name, envelope, `tool ${call.id}`),
  tool_returned: (state, { result }, { at }) => end(state, `tool ${result.call_id}`, at, Boolean(result.is_error)),
  approval_asked: (state, { id, tool }, envelope) => begin(state, "approval", tool, envelope, `approval ${id}`),
  approval_given: (state, { id, verdict }, { at }) => end(state, `approval ${id}`, at, verdict === "deny"),
  run_finished: (state, { reason }, { at }) => finish(state, at, reason),
  session_ended: (state, event, { at }) => finish(state, at, "ended"),
};
