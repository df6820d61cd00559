// A light tint for code: comments, strings, numbers, keywords. One pass, no grammar, any language.

import { h } from "./dom.js";

const LIMIT = 40_000;
const HASH = new Set("sh bash shell zsh console python py ruby rb yaml yml toml make makefile dockerfile perl r conf ini".split(" "));
const PLAIN = new Set(["", "text", "txt", "plain", "markdown", "md", "output", "log"]);
const KEYWORDS = new Set(
  `abstract and as async await break case catch class const continue def default defer del delete do done echo elif else
  end enum esac except export extends false fi final finally fn for from func function go if impl implements import in
  interface is lambda let local match mod module mut namespace new nil none None not null of or package pass private
  protected pub public raise return self static struct super switch then this throw throws trait true True False try type
  typeof union unset until use using var void while with yield select insert update create table where join order group
  by into values set SELECT INSERT UPDATE CREATE TABLE WHERE JOIN ORDER GROUP BY INTO VALUES SET FROM AND OR NOT NULL`.split(/\s+/),
);
const SLASH_TOKENS = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\b\d[\w.]*|[A-Za-z_]\w*/g;
const HASH_TOKENS = /(?<=^|\s)#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\b\d[\w.]*|[A-Za-z_]\w*/gm;

/** Nodes for `code`; a language that is not known, or too much of it, stays as it is. */
export function tint(code, language) {
  const name = language.toLowerCase();
  if (PLAIN.has(name) || code.length > LIMIT) return [code];
  const nodes = [];
  let last = 0;
  for (const { 0: token, index } of code.matchAll(HASH.has(name) ? HASH_TOKENS : SLASH_TOKENS)) {
    const kind = kindOf(token);
    if (!kind) continue;
    nodes.push(code.slice(last, index), h("span", { class: `tint-${kind}` }, token));
    last = index + token.length;
  }
  nodes.push(code.slice(last));
  return nodes;
}

function kindOf(token) {
  const first = token[0];
  if (first === "#" || (first === "/" && token.length > 1)) return "comment";
  if (first === '"' || first === "'" || first === "`") return "string";
  if (first >= "0" && first <= "9") return "number";
  return KEYWORDS.has(token) ? "keyword" : "";
}
