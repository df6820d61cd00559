// A light tint for code: comments, strings, numbers, keywords. One pass, no grammar, any language.

import { h } from "./dom.js";

const LIMIT = 40_000;
const words = (text) => new Set(text.trim().split(/\s+/));
const HASH = words(`sh bash shell zsh fish console python py ruby rb yaml yml toml make makefile dockerfile perl r
  julia jl elixir ex nix tf hcl cmake powershell ps1 graphql conf ini env`);
const DASH = words("sql lua haskell hs elm ada vhdl");
const MARKUP = words("html xml svg vue xhtml rss");
const PLAIN = new Set(["", "text", "txt", "plain", "markdown", "md", "output", "log"]);
const KEYWORDS = words(
  `abstract and as async await break case catch class const continue def default defer del delete do done echo elif else
  end enum esac except export extends false fi final finally fn for from func function go if impl implements import in
  interface is lambda let local match mod module mut namespace new nil none None not null of or package pass private
  protected pub public raise return self static struct super switch then this throw throws trait true True False try
  type typeof union unset until use using var void while with yield select insert update create table where join order
  group by into values set SELECT INSERT UPDATE CREATE TABLE WHERE JOIN ORDER GROUP BY INTO VALUES SET FROM AND OR NOT
  NULL LIMIT HAVING WITH AS ON LEFT INNER OUTER DISTINCT UNION limit having left inner outer distinct on`,
);
const VALUES = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\b\d[\w.]*|[A-Za-z_]\w*/.source;
const SLASH_TOKENS = new RegExp(`${/\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)|`(?:[^`\\]|\\.)*(?:`|$)/.source}|${VALUES}`, "g");
const HASH_TOKENS = new RegExp(`${/(?<![^\s])#[^\n]*/.source}|${VALUES}`, "g");
const DASH_TOKENS = new RegExp(`--[^\n]*|${VALUES}`, "g");
const MARKUP_TOKENS = /<!--[^]*?(?:-->|$)|<\/?[\w:-]+|\/?>|"[^"\n]*"|'[^'\n]*'/g;
const DIFF_KINDS = { "+": "string", "-": "removed", "@": "comment" };
const DIFF_TOKENS = /^[-+@][^\n]*/gm;

/** Nodes for `code`; a language that is not known, or too much of it, stays as it is. */
export function tint(code, language) {
  const name = language.toLowerCase();
  if (PLAIN.has(name) || code.length > LIMIT) return [code];
  const nodes = [];
  let last = 0;
  const [tokens, kindOf] = grammarOf(name);
  for (const { 0: token, index } of code.matchAll(tokens)) {
    const kind = kindOf(token);
    if (!kind) continue;
    nodes.push(code.slice(last, index), h("span", { class: `tint-${kind}` }, token));
    last = index + token.length;
  }
  nodes.push(code.slice(last));
  return nodes;
}

function grammarOf(name) {
  if (name === "diff" || name === "patch") return [DIFF_TOKENS, ([first]) => DIFF_KINDS[first]];
  if (MARKUP.has(name)) return [MARKUP_TOKENS, kindOfMarkup];
  return [HASH.has(name) ? HASH_TOKENS : DASH.has(name) ? DASH_TOKENS : SLASH_TOKENS, kindOfWord];
}

const kindOfMarkup = (token) =>
  token.startsWith("<!--") ? "comment" : token[0] === '"' || token[0] === "'" ? "string" : "keyword";

function kindOfWord(token) {
  const first = token[0];
  if (first === "#" || ((first === "/" || first === "-") && token.length > 1)) return "comment";
  if (first === '"' || first === "'" || first === "`") return "string";
  if (first >= "0" && first <= "9") return "number";
  return KEYWORDS.has(token) ? "keyword" : "";
}
