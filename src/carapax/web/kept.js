// What the page keeps in this browser. Where that is refused, full or nonsense, the page does without.

/** The text under a name; "" where there is none. */
export function kept(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** The names of what is kept that begin like this. */
export function keptNames(start) {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(start));
  } catch {
    return [];
  }
}

/** What was kept as JSON; null where it is none. */
export function keptJson(name) {
  try {
    return JSON.parse(kept(name));
  } catch {
    return null;
  }
}

/** Keep a text; "" takes it away. */
export function keep(name, text) {
  try {
    if (text) localStorage.setItem(name, text);
    else localStorage.removeItem(name);
  } catch {
    // it lasts as long as the page does
  }
}
