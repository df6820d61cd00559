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
export const markdown = (text) => render(blocks(text.split("\n")), 0);

/** Draws a text that grows into `container`. Blocks that can no longer change are drawn once, and put aside in chunks
 * that the browser leaves alone while out of sight; only the last block is drawn again, of a long list only its last
 * items, and of a paragraph only its last words. So a long answer costs hardly more a frame than a short one. */
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
    this.#settle();
    const tokens = this.#numbered(blocks(text.slice(this.settled).split("\n")));
    if (this.#growCode(tokens) || this.#growParagraph(tokens)) return;
    this.#replaceTail(render(tokens, 0));
  }

  #restart() {
    this.container.replaceChildren();
    this.settled = 0;
    this.tail = [];
    this.counted = 0;
  }

  /** Only whole lines decide what is settled: a half-written line may still turn out to go on with the last block. */
  #settle() {
    const end = this.text.lastIndexOf("\n") + 1;
    if (end <= this.settled) return;
    const lines = this.text.slice(this.settled, end - 1).split("\n");
    const tokens = this.#numbered(blocks(lines));
    const last = tokens.pop();
    const isLong = last?.type === "list" && last.items.length >= 2 * LIST_TAIL;
    if (!tokens.length && !isLong) return;
    this.#replaceTail([]);
    if (tokens.length) this.counted = 0;
    let { from } = last;
    if (isLong) {
      const items = last.items.slice(0, -LIST_TAIL);
      tokens.push({ ...last, items });
      from = last.starts.at(-LIST_TAIL);
      this.counted = last.start + items.length;
    }
    for (const node of render(tokens, 0)) this.#putAside(node);
    this.settled += lines.slice(0, from).join("\n").length + 1;
  }

  /** A list that goes on after its first items were put aside goes on counting. */
  #numbered([first, ...rest]) {
    if (!first) return [];
    return [first.type === "list" && this.counted ? { ...first, start: this.counted, goesOn: true } : first, ...rest];
  }

  #putAside(node) {
    let chunk = this.container.lastElementChild;
    if (!chunk || chunk.childElementCount >= CHUNK) this.container.append((chunk = h("div", { class: "chunk" })));
    chunk.append(node);
  }

  /** Code that is still being written keeps its element, so that it can be scrolled, selected and copied meanwhile. */
  #growCode(tokens) {
    const [node] = this.tail;
    const [token] = tokens;
    if (tokens.length !== 1 || token.type !== "code" || token.closed || node?.openCode !== token.language) return false;
    growLines(node.querySelector("code"), token.text);
    return true;
  }

  /** Of a paragraph that is still being written, only what may turn out to be something else is drawn again. */
  #growParagraph(tokens) {
    const [token] = tokens;
    if (tokens.length !== 1 || token.type !== "paragraph") return false;
    if (!token.text.startsWith(this.tail[0]?.kept ?? "\0")) {
      this.#replaceTail([Object.assign(h("p"), { kept: "", last: null })]);
    }
    const [node] = this.tail;
    while (node.lastChild !== node.last) node.lastChild.remove();
    const { nodes, at, count } = readText(token.text, node.kept.length);
    node.append(...nodes.slice(0, count));
    Object.assign(node, { kept: token.text.slice(0, at), last: node.lastChild });
    node.append(...nodes.slice(count));
    return true;
  }

  #replaceTail(nodes) {
    for (const node of this.tail) node.remove();
    this.container.append(...nodes);
    this.tail = nodes;
  }
}

/** Code that grows, in chunks of lines of which only the last one is touched. */
function growLines(code, text) {
  const chunk = () => h("span", { class: "chunk" });
  if (!code.lastElementChild) code.replaceChildren(chunk());
  code.written ??= 0;
  let fresh = text.slice(code.written);
  for (let end; (end = fresh.indexOf("\n", CODE_CHUNK)) >= 0; fresh = fresh.slice(end + 1)) {
    code.lastElementChild.textContent = fresh.slice(0, end + 1);
    code.append(chunk());
    code.written += end + 1;
  }
  code.lastElementChild.textContent = fresh;
}

/** Lines to tokens `{type, from, ...}`, `from` being the first line. One pass; nothing looks back. */
export function blocks(lines) {
  const tokens = [];
  let at = 0;
  while (at < lines.length) {
    const read = READERS.find((reader) => reader.starts(lines, at));
    if (!lines[at].trim()) at += 1;
    else {
      const [token, next] = (read ?? PARAGRAPH).read(lines, at);
      tokens.push({ ...token, from: at });
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
      const align = cells(lines[at + 1]).map(alignment);
      return [{ type: "table", align, rows: [lines[at], ...lines.slice(at + 2, end)].map(cells) }, end];
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
  let loose = false;
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
    loose ||= blank;
    blank = false;
  }
  const token = { type: "list", ordered: isOrdered(marker), start: parseInt(marker, 10) || 1, loose };
  return [{ ...token, starts: items.map((item) => item.at), items: items.map(itemLines) }, at];
}

function itemLines({ width, first, rest }) {
  const indents = rest.filter((line) => line.trim()).map(indentOf);
  const strip = Math.min(width, ...indents.filter((indent) => indent > 0));
  return [first, ...rest.map((line) => line.slice(Math.min(strip, indentOf(line))))];
}

const render = (tokens, depth) => tokens.map((token) => RENDERERS[token.type](token, depth));

const RENDERERS = {
  paragraph: ({ text }) => h("p", null, inline(text)),
  heading: ({ level, text }) => h(`h${Math.min(6, level + 1)}`, { class: `md-h${level}` }, inline(text)),
  rule: () => h("hr"),
  code: codeBlock,
  quote: ({ lines }, depth) => h("blockquote", null, nested(lines, depth)),

  list({ ordered, start, items, loose, goesOn }, depth) {
    const list = h(ordered ? "ol" : "ul", { start: ordered && start !== 1 ? start : null, class: goesOn && "goes-on" });
    list.append(...items.map((lines) => listItem(lines, loose, depth)));
    return list;
  },

  table({ align, rows: [head, ...rows] }) {
    const cell = (tag, texts) => (_, column) =>
      h(tag, { class: align[column] && `to-${align[column]}` }, inline(texts[column] ?? ""));
    const row = (tag, texts) => h("tr", null, head.map(cell(tag, texts)));
    const body = h("tbody", null, rows.map((texts) => row("td", texts)));
    const table = h("table", null, h("thead", null, row("th", head)), body);
    return h("div", { class: "table", tabindex: 0, role: "group", "aria-label": t("table") }, table);
  },
};

function nested(lines, depth) {
  if (depth >= MAX_DEPTH) return [h("p", null, lines.join("\n"))];
  return render(blocks(lines), depth + 1);
}

function listItem(lines, loose, depth) {
  const task = TASK.exec(lines[0]);
  if (task) lines[0] = lines[0].slice(task[0].length);
  const about = { type: "checkbox", disabled: true, "aria-label": t("task") };
  const box = task && h("input", { ...about, checked: task[1] !== " " });
  const children = nested(lines, depth);
  const bare = (child) => (child.tagName === "P" ? [...child.childNodes] : [child]);
  return h("li", { class: task && "task" }, box, loose ? children : children.flatMap(bare));
}

function codeBlock({ language, text, closed }) {
  const code = h("code", null, closed ? tint(text, language) : text);
  const copy = h("button", { type: "button", class: "copy", "aria-label": t("copy-code") });
  const said = (isDone) => [icon(isDone ? "check" : "copy", 15), h("span", null, t(isDone ? "copied" : "copy"))];
  copyOnClick(copy, () => code.textContent, said);
  const head = h("div", { class: "code-head" }, h("span", null, language || t("code")), copy);
  const block = h("div", { class: "code" }, head, h("pre", { tabindex: 0, "aria-label": t("code") }, code));
  block.openCode = closed ? null : language;
  return block;
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
