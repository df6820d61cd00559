// Markdown to nodes. What a model writes is hostile until proven otherwise: only text nodes and a fixed set of elements
// come out, links lead to http, https and mailto alone, images but the gateway's become links, HTML stays text.

import { copyOnClick, h, icon } from "./dom.js";
import { t } from "./strings.js";
import { tint } from "./tint.js";

const MAX_DEPTH = 12;
const MAX_EMPHASIS = 16;
const CHUNK = 24;
const LIST_TAIL = 24;
const CODE_CHUNK = 4_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\s]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}>[ \t]?/;
const ITEM = /^([ \t]*)([-*+]|\d{1,9}[.)])(?:[ \t]+|$)/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const TASK = /^\[([ xX])\][ \t]+/;

/** The nodes of a whole text. */
export const markdown = (text) => shownIn(h("div"), blocks(text.split("\n")), 0);

/** Draws a text that grows into `container`. What is drawn is touched again only where it goes on: in the last block,
 * of that in its last item, row or block, and of words in the last ones. Blocks that can no longer change, and the
 * first items of a long list, are put aside in chunks that the browser leaves alone while out of sight, and not read
 * again. So a long answer costs hardly more a frame than a short one. */
export class MarkdownStream {
  constructor(container) {
    this.container = container;
    this.#restart();
    this.text = "";
  }

  set(text) {
    if (text === this.text) return;
    if (!text.startsWith(this.text)) this.#restart();
    this.text = text;
    this.#show();
    if (this.#settle()) this.#show();
  }

  #restart() {
    this.container.replaceChildren();
    this.container.shown = [];
    this.chunk = null;
    this.settled = 0;
    this.counted = 0;
  }

  /** A list that goes on after its first items were put aside goes on counting. */
  #show() {
    const tokens = blocks(this.text.slice(this.settled).split("\n"));
    if (this.counted && tokens[0]?.type === "list") Object.assign(tokens[0], { start: this.counted, goesOn: true });
    shownIn(this.container, tokens, 0);
  }

  /** Only whole lines decide what is settled: a half-written line may still turn out to go on with the last block.
   * Whether a list was parted. */
  #settle() {
    const end = this.text.lastIndexOf("\n") + 1;
    if (end <= this.settled) return false;
    const lines = this.text.slice(this.settled, end - 1).split("\n");
    const tokens = blocks(lines);
    const last = tokens.pop();
    const isLong = last?.type === "list" && last.items.length >= 2 * LIST_TAIL;
    if (!tokens.length && !isLong) return false;
    const { shown } = this.container;
    shown.splice(0, tokens.length).forEach((node) => this.#putAside(node, node));
    if (tokens.length) this.counted = 0;
    if (isLong) this.#part(shown[0], last);
    this.settled += lines.slice(0, isLong ? last.starts.at(-LIST_TAIL) : last.from).join("\n").length + 1;
    return isLong;
  }

  #part(list, { items, start }) {
    const done = list.cloneNode();
    done.append(...list.shown.splice(0, items.length - LIST_TAIL));
    this.#putAside(done, list);
    this.counted = (this.counted || start) + done.childElementCount;
  }

  #putAside(node, before) {
    if (!(this.chunk?.childElementCount < CHUNK)) before.before((this.chunk = h("div", { class: "chunk" })));
    this.chunk.append(node);
  }
}

/** Have `parent` show these tokens, and give the nodes: those that were drawn of the same text stay, those that were
 * drawn of a token of the same kind are filled on. */
function shownIn(parent, tokens, depth) {
  const before = parent.shown ?? [];
  const shown = tokens.map((token, at) => {
    const { fill, make, kind = () => "" } = KINDS[token.type];
    const known = `${token.type} ${kind(token)}`;
    let node = before[at];
    if (node?.known !== known) {
      const fresh = Object.assign(make(token), { known });
      if (node) node.replaceWith(fresh);
      else parent.append(fresh);
      node = fresh;
    }
    if (node.source !== token.source) fill?.(node, token, depth);
    node.source = token.source;
    return node;
  });
  before.slice(tokens.length).forEach((node) => node.remove());
  return (parent.shown = shown);
}

/** Of text that is still being written, only what may turn out to be something else is drawn again. */
function fillText(node, { text }) {
  if (node.kept == null || !text.startsWith(node.kept)) {
    node.replaceChildren();
    Object.assign(node, { kept: "", last: null });
  }
  while (node.lastChild !== node.last) node.lastChild.remove();
  const { nodes, at, count } = readText(text, node.kept.length);
  node.append(...nodes.slice(0, count));
  Object.assign(node, { kept: text.slice(0, at), last: node.lastChild });
  node.append(...nodes.slice(count));
}

/** Code that is still being written keeps its element, so that it can be scrolled, selected and copied meanwhile; it
 * grows in chunks of lines of which only the last one is touched. */
function fillCode(block, { text, language, closed }) {
  const code = block.querySelector("code");
  if (closed) return void code.replaceChildren(...[tint(text, language)].flat());
  const chunk = () => h("span", { class: "chunk" });
  if (code.written == null || !text.startsWith(code.written)) {
    code.replaceChildren(chunk());
    code.written = "";
  }
  let at = code.written.length;
  for (let end; (end = text.indexOf("\n", at + CODE_CHUNK)) >= 0; at = end + 1) {
    code.lastElementChild.textContent = text.slice(at, end + 1);
    code.append(chunk());
  }
  code.lastElementChild.textContent = text.slice(at);
  code.written = text.slice(0, at);
}

/** Lines to tokens `{type, from, source, ...}`, `from` being the first line. One pass; nothing looks back. */
export function blocks(lines) {
  const tokens = [];
  let at = 0;
  while (at < lines.length) {
    const read = READERS.find((reader) => reader.starts(lines, at));
    if (!lines[at].trim()) at += 1;
    else {
      const [token, next] = (read ?? PARAGRAPH).read(lines, at);
      tokens.push({ ...token, from: at, source: lines.slice(at, next).join("\n") });
      at = next;
    }
  }
  return tokens;
}

const READERS = [
  {
    starts: (lines, at) => FENCE.test(lines[at]),
    read(lines, at) {
      const [, fence, language] = FENCE.exec(lines[at]);
      const close = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}[ \\t]*$`);
      let end = at + 1;
      while (end < lines.length && !close.test(lines[end])) end += 1;
      const text = lines.slice(at + 1, end).join("\n");
      return [{ type: "code", language, text, closed: end < lines.length }, end + 1];
    },
  },
  {
    starts: (lines, at) => HEADING.test(lines[at]),
    read(lines, at) {
      const [, marks, text = ""] = HEADING.exec(lines[at]);
      return [{ type: "heading", level: marks.length, text }, at + 1];
    },
  },
  { starts: (lines, at) => RULE.test(lines[at]), read: (_, at) => [{ type: "rule" }, at + 1] },
  {
    starts: (lines, at) => QUOTE.test(lines[at]),
    read(lines, at) {
      let end = at;
      while (end < lines.length && (QUOTE.test(lines[end]) || isPlain(lines, end))) end += 1;
      return [{ type: "quote", lines: lines.slice(at, end).map((line) => line.replace(QUOTE, "")) }, end];
    },
  },
  { starts: (lines, at) => ITEM.test(lines[at]), read: readList },
  {
    starts: (lines, at) => lines[at].includes("|") && at + 1 < lines.length && isTableRule(lines[at], lines[at + 1]),
    read(lines, at) {
      let end = at + 2;
      while (end < lines.length && lines[end].includes("|") && lines[end].trim()) end += 1;
      return [{ type: "table", head: lines[at], rule: lines[at + 1], rows: lines.slice(at + 2, end) }, end];
    },
  },
];

const PARAGRAPH = {
  read(lines, at) {
    let end = at + 1;
    while (end < lines.length && isPlain(lines, end)) end += 1;
    return [{ type: "paragraph", text: lines.slice(at, end).join("\n") }, end];
  },
};

const isPlain = (lines, at) => lines[at].trim() !== "" && !READERS.some((reader) => reader.starts(lines, at));
const isTableRule = (head, rule) =>
  rule.includes("-") && TABLE_RULE.test(rule) && cells(head).length === cells(rule).length;
const indentOf = (line) => line.length - line.trimStart().length;
const isOrdered = (marker) => marker.length > 1;

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function alignment(cell) {
  if (cell.startsWith(":") && cell.endsWith(":")) return "center";
  return cell.endsWith(":") ? "right" : "";
}

/** A list with its items' own lines. Indented by two or more is inside the item, whatever the width of its marker. */
function readList(lines, start) {
  const [, indent, marker] = ITEM.exec(lines[start]);
  const items = [];
  let at = start;
  let blank = false;
  for (; at < lines.length; at += 1) {
    const line = lines[at];
    if (!line.trim()) {
      blank = true;
      items.at(-1).rest.push("");
      continue;
    }
    const found = ITEM.exec(line);
    const inside = items.length > 0 && indentOf(line) >= indent.length + 2;
    if (found && !inside && !RULE.test(line)) {
      if (isOrdered(found[2]) !== isOrdered(marker)) break;
      items.push({ at, width: found[0].length, first: line.slice(found[0].length), rest: [] });
    } else if (inside || (!blank && isPlain(lines, at))) {
      items.at(-1).rest.push(line);
    } else break;
    blank = false;
  }
  const token = { type: "list", ordered: isOrdered(marker), start: parseInt(marker, 10) || 1 };
  return [{ ...token, starts: items.map((item) => item.at), items: items.map(itemToken) }, at];
}

function itemToken({ width, first, rest }) {
  const indents = rest.filter((line) => line.trim()).map(indentOf);
  const strip = indents.reduce((least, indent) => (indent > 0 ? Math.min(least, indent) : least), width);
  const [mark = "", task] = TASK.exec(first) ?? [];
  const lines = [first.slice(mark.length), ...rest.map((line) => line.slice(Math.min(strip, indentOf(line))))];
  return { type: "item", task, lines, source: lines.join("\n") };
}

/** How a token is made and filled, by type, and of what kind it is: only one of the same kind goes on with another. */
const KINDS = {
  paragraph: { make: () => h("p"), fill: fillText },
  raw: { make: () => h("p"), fill: (node, { source }) => (node.textContent = source) },
  rule: { make: () => h("hr") },
  quote: { make: () => h("blockquote"), fill: fillBlocks },
  list: { kind: ({ ordered }) => ordered, make: ({ ordered }) => h(ordered ? "ol" : "ul"), fill: fillList },
  item: { kind: ({ task }) => task, make: makeItem, fill: fillBlocks },
  code: { kind: ({ language, closed }) => `${closed} ${language}`, make: codeBlock, fill: fillCode },
  table: { kind: ({ head, rule }) => head + rule, make: makeTable, fill: fillTable },
  row: { make: () => h("tr"), fill: fillRow },
  cell: { make: ({ tag, align }) => h(tag, { class: align && `to-${align}` }), fill: fillText },
  heading: {
    kind: ({ level }) => level,
    make: ({ level }) => h(`h${Math.min(6, level + 1)}`, { class: `md-h${level}` }),
    fill: fillText,
  },
};

function fillBlocks(node, { lines }, depth) {
  const isTooDeep = depth >= MAX_DEPTH;
  shownIn(node, isTooDeep ? [{ type: "raw", source: lines.join("\n") }] : blocks(lines), depth + 1);
}

function fillList(list, { ordered, start, items, goesOn }, depth) {
  if (ordered && start !== 1) list.start = start;
  list.classList.toggle("goes-on", Boolean(goesOn));
  shownIn(list, items, depth);
}

function makeItem({ task }) {
  const about = { type: "checkbox", disabled: true, "aria-label": t("task") };
  return h("li", { class: task && "task" }, task && h("input", { ...about, checked: task !== " " }));
}

function makeTable() {
  const table = h("table", null, h("thead"), h("tbody"));
  return h("div", { class: "table", tabindex: 0, role: "group", "aria-label": t("table") }, table);
}

function fillTable(box, { head, rule, rows }) {
  const columns = cells(rule).map(alignment);
  const row = (tag) => (source) => ({ type: "row", source, tag, columns });
  shownIn(box.querySelector("thead"), [head].map(row("th")));
  shownIn(box.querySelector("tbody"), rows.map(row("td")));
}

function fillRow(row, { source, tag, columns }) {
  const texts = cells(source);
  const cell = (align, at) => ({ type: "cell", tag, align, text: texts[at] ?? "", source: texts[at] ?? "" });
  shownIn(row, columns.map(cell));
}

function codeBlock({ language }) {
  const code = h("code");
  const copy = h("button", { type: "button", class: "copy", "aria-label": t("copy-code") });
  const said = (isDone) => [icon(isDone ? "check" : "copy", 15), h("span", null, t(isDone ? "copied" : "copy"))];
  copyOnClick(copy, () => code.textContent, said);
  const head = h("div", { class: "code-head" }, h("span", null, language || t("code")), copy);
  return h("div", { class: "code" }, head, h("pre", { tabindex: 0, "aria-label": t("code") }, code));
}

const SPECIAL = /\\[!-/:-@[-`{-~]|`+|\*+|_+|~~|!?\[|<|https?:\/\/|\n/g;
// The text within brackets may hold one pair of its own; it and the address are bounded, so nothing is tried twice.
const LABEL = /!?\[((?:[^[\]\\]|\\.|\[[^[\]]{0,200}\]){0,1000})\]/.source;
const ADDRESS = /[ \t]*<?([^\s<>()]*(?:\([^\s()]*\)[^\s<>()]*)*)>?(?:[ \t]+"[^"\n]*")?[ \t]*/.source;
const LINK = new RegExp(`${LABEL}\\(${ADDRESS}\\)`, "y");
const ANGLE_LINK = /<((?:https?:\/\/|mailto:)[^\s<>]+)>/y;
const BARE_LINK = /https?:\/\/[^\s<>"`]*[^\s<>"`.,;:!?)\]}'*_~]/y;
const OWN_IMAGE = /!\[([^[\]]{0,1000})\]\((\/?api\/files\/[0-9a-f]{64})\)/y;
const BREAK = /<br ?\/?>/iy;
// What begins like a link, and is none whatever follows.
const NO_LINK = new RegExp(`${LABEL}[^(]|<[^\\s<>]*(?:[<>]|\\s[^\\s<>]*[\\s<>])`, "y");
const TAGS = { "*1": "em", "*2": "strong", _1: "em", _2: "strong", "~2": "del" };

/** Text within a block to nodes: emphasis, code, links, line breaks. Linear in the length of the text. */
const inline = (text, links = true) => readText(text, 0, links).nodes;

/** The same from `start` on. Whatever the text goes on with, the first `count` nodes stay, and what is up to `at`. */
function readText(text, start, links = true) {
  const frames = [{ mark: "", children: [] }];
  const add = (...nodes) => frames.at(-1).children.push(...nodes.filter((node) => node !== ""));
  const context = { frames, add, links, unclosed: new Set(), isOpen: false };
  let settled = { at: start, count: 0 };
  let at = start;
  const addText = (end) => {
    const space = text.lastIndexOf(" ", end - 1);
    if (space >= at && frames.length === 1 && !context.unclosed.size && !context.isOpen) {
      add(text.slice(at, space));
      settled = { at: (at = space), count: frames[0].children.length };
    }
    add(text.slice(at, end));
  };
  for (let found; (found = matchAt(SPECIAL, text, at)); ) {
    addText(found.index);
    at = readInline(text, found.index, found[0], context);
  }
  addText(text.length);
  while (frames.length > 1) unwind(frames);
  return { ...settled, nodes: frames[0].children };
}

function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Add what starts at `at` and return where it ends. */
function readInline(text, at, token, context) {
  const { add, frames, links } = context;
  const end = at + token.length;
  if ("\n\\".includes(token[0])) {
    add(token === "\n" ? h("br") : token[1]);
    return end;
  }
  if (token[0] === "`") return readCode(text, at, token, context);
  if ("*_~".includes(token[0])) {
    readEmphasis(frames, token, text[at - 1] ?? " ", text[end] ?? " ");
    return end;
  }
  for (const [first, pattern, toNode] of links ? LINKS : []) {
    const match = token.startsWith(first) && matchAt(pattern, text, at);
    if (!match) continue;
    add(...[toNode(match)].flat());
    return at + match[0].length;
  }
  context.isOpen ||= /[[<]$/.test(token) && !matchAt(NO_LINK, text, at);
  add(token);
  return end;
}

const LINKS = [
  ["!", OWN_IMAGE, ([, alt, url]) => h("img", { src: url, alt: alt || t("image"), loading: "lazy" })],
  ["!", LINK, ([source, alt, url]) => link(url, [icon("info", 14), alt || t("image")], source)],
  ["[", LINK, ([source, label, url]) => link(url, inline(label, false), source)],
  ["<", BREAK, () => h("br")],
  ["<", ANGLE_LINK, ([source, url]) => link(url, [url], source)],
  ["http", BARE_LINK, ([url]) => link(url, [url], url)],
];

/** A link, or the source as text when it leads anywhere but the web or a mailbox. */
function link(url, label, source) {
  if (!isSafe(url)) return source;
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url }, label);
}

const isSafe = (url) => URL.canParse(url) && ["http:", "https:", "mailto:"].includes(new URL(url).protocol);

function readCode(text, at, token, { add, unclosed }) {
  const start = at + token.length;
  let end = unclosed.has(token.length) ? -1 : start;
  while (end >= 0) {
    end = text.indexOf(token, end);
    if (end < 0 || (text[end - 1] !== "`" && text[end + token.length] !== "`")) break;
    while (text[end] === "`") end += 1;
  }
  if (end < 0) {
    unclosed.add(token.length);
    add(token);
    return start;
  }
  add(h("code", null, text.slice(start, end).replaceAll("\n", " ").replace(/^ (.*[^ ].*) $/, "$1")));
  return end + token.length;
}

function readEmphasis(frames, token, before, after) {
  const [mark] = token;
  const inWord = mark === "_" && /\w/.test(before) && /\w/.test(after);
  const opens = /\S/.test(after) && !inWord && !(mark === "_" && /\w/.test(before));
  const closes = /\S/.test(before) && !inWord && !(mark === "_" && /\w/.test(after));
  let left = token.length;
  while (left > 0) {
    const open = closes ? frames.findLastIndex((frame) => frame.mark === mark && frame.size <= left) : -1;
    if (open > 0 && (frames.length - 1 > open || frames[open].children.length)) {
      while (frames.length - 1 > open) unwind(frames);
      const { size, children } = frames.pop();
      frames.at(-1).children.push(h(TAGS[mark + size], null, children));
      left -= size;
    } else if (opens && frames.length < MAX_EMPHASIS) {
      const size = mark === "~" ? 2 : Math.min(2, left);
      frames.push({ mark, size, children: [] });
      left -= size;
    } else {
      frames.at(-1).children.push(mark.repeat(left));
      left = 0;
    }
  }
}

/** The innermost emphasis was never closed: its mark is text. */
function unwind(frames) {
  const { mark, size, children } = frames.pop();
  frames.at(-1).children.push(mark.repeat(size), ...children);
}
