// Making elements. Content is always text or nodes, never markup, so nothing that is shown can become a script.

/** `h("a", {class: "x", href, onclick: f, dataset: {..}}, child, ...)`; null and false children are left out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
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

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4",
  menu: "M4 7h16M4 12h16M4 17h10",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  halt: "M8.500 4h7L20 8.500v7L15.500 20h-7L4 15.500v-7zM9 12h6",
  copy: "M9 9h10v10H9zM5 15V5h10",
  check: "M5 12.5l4.5 4.5L19 7.5",
  chevron: "M9 6l6 6-6 6",
  fork: "M6 4v6a4 4 0 0 0 4 4h8M14 10l4 4-4 4M6 10v10",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4.5l3 1.5",
  chat: "M5 5h14v11H11l-4 4v-4H5z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M19 14.5A8 8 0 0 1 9.5 5 7.5 7.5 0 1 0 19 14.5z",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  help: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM9.8 9.7a2.3 2.3 0 1 1 3.4 2c-.8.5-1.2.9-1.2 1.8M12 16.2v.1",
  out: "M14 5H6v14h8M11 12h9M17 8.5l3.5 3.5-3.5 3.5",
  pen: "M5 19l1-4L16 5l3 3L9 18z",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  tool: "M5 7l5 5-5 5M12 17h7",
  warn: "M12 5l8 14H4zM12 10.5v4M12 16.7v.1",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 11v5M12 8v.1",
  clip: "M20 11.5l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L10 17a1.7 1.7 0 0 1-2.4-2.4l7.6-7.6",
  model: "M7 7h10v10H7zM10 7V4M14 7V4M10 20v-3M14 20v-3M7 10H4M7 14H4M20 10h-3M20 14h-3",
  coins: "M12 6c4 0 7 1.2 7 2.8s-3 2.7-7 2.7-7-1.1-7-2.7S8 6 12 6zM5 8.8v6.4C5 16.8 8 18 12 18s7-1.2 7-2.8V8.8M5 12c0 1.600 3 2.800 7 2.800s7-1.200 7-2.800",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12",
  hand: "M9 11.500V5.800a1.400 1.400 0 0 1 2.800 0V11m0-6.200a1.400 1.400 0 0 1 2.800 0V11.500m0-4.700a1.400 1.400 0 0 1 2.800 0V14c0 3.600-2.300 6-5.600 6-2.700 0-4-1.200-5.300-3.300l-2.100-3.600a1.400 1.400 0 0 1 2.300-1.500L9 13.800",
  globe: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM4 12h16M12 4c2.300 2.200 3.300 4.900 3.300 8s-1 5.800-3.300 8c-2.300-2.200-3.300-4.900-3.300-8s1-5.800 3.300-8z",
  file: "M7 4h7l4 4v12H7zM14 4v4h4",
  person: "M12 5a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM5.500 19.500c.8-3.300 3.200-5 6.500-5s5.700 1.700 6.500 5",
  pulse: "M3 12h4l2.500-6 4.500 12 2.500-6H21",
  key: "M15 4a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM11.500 12.500L4 20M7 17l2.500 2.500",
  lock: "M7 11h10v8H7zM9 11V8a3 3 0 0 1 6 0v3",
  gear: "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M5.600 18.400l2.100-2.100M16.300 7.700l2.100-2.100",
  end: "M6 4h12v16H6zM6 9h12M10 13h4",
};

export function icon(name, size = 18) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: "0 0 24 24", width: size, height: size, class: "icon", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows an icon and is named by `label`. */
export function iconButton(name, label, onclick, attributes = {}) {
  const { class: extra = "", ...rest } = attributes;
  const given = { type: "button", class: `icon-button ${extra}`, "aria-label": label, title: label, onclick, ...rest };
  return h("button", given, icon(name));
}

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

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or a page that is not on a secure origin
  }
}
