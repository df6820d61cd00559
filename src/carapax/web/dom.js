// Making elements. Content is always text or nodes, never markup, so nothing that is shown can become a script.

const SVG = "http://www.w3.org/2000/svg";

/** `h("a", {class: "x", href, onclick: f, dataset: {..}}, child, ...)`; null and false children are left out. */
export const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);

/** The same for a part of a drawing. */
export const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A drawing of icons.svg. */
export function icon(name, size = 18) {
  const attributes = { viewBox: "0 0 24 24", width: size, height: size, class: "icon", "aria-hidden": "true" };
  return svg("svg", attributes, svg("use", { href: `icons.svg#${name}` }));
}

/** A button that shows an icon and is named by `label`. */
export function iconButton(name, label, onclick, attributes = {}) {
  const given = { type: "button", "aria-label": label, title: label, onclick, ...attributes };
  return h("button", { ...given, class: `icon-button ${attributes.class ?? ""}` }, icon(name));
}

/** Put these into an element; where they look like what is there, that stays, with the focus and a click that began. */
export function renew(element, ...children) {
  const wanted = children.flat(2).filter(Boolean);
  const isThere = (node, at) => node === element.childNodes[at] || node.isEqualNode(element.childNodes[at] ?? null);
  if (wanted.length !== element.childNodes.length || !wanted.every(isThere)) element.replaceChildren(...wanted);
}

/** A button that looks like a link. */
export const linkButton = (label, onclick) => h("button", { type: "button", class: "link", onclick }, label);

/** Call `work` once before the next paint, however often the returned function is called until then. */
export function onFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** Whether the text is on the clipboard: not without permission, or on a page that is not on a secure origin. */
export const copyText = (text) => navigator.clipboard?.writeText(text).then(() => true, () => false);

const COPIED_MS = 1_600;

/** Copy `text()` on a click, and say so for a while: `content(isDone)` is what the button shows. */
export function copyOnClick(element, text, content) {
  const show = (isDone) => element.replaceChildren(...[content(isDone)].flat());
  element.addEventListener("click", async () => {
    if (!(await copyText(text()))) return;
    show(true);
    setTimeout(() => show(false), COPIED_MS);
  });
  show(false);
}
