// What the page keeps in this browser. Where that is refused, full or nonsense, the page does without.

/** The text under a name; "" where there is none. */
export const kept = (name) => attempt(() => localStorage.getItem(name)) ?? "";

/** The names of what is kept that begin like this. */
export const keptNames = (start) =>
  attempt(() => Object.keys(localStorage).filter((name) => name.startsWith(start))) ?? [];

/** What was kept as JSON; null where it is none. */
export const keptJson = (name) => attempt(() => JSON.parse(kept(name)));

/** Of what was kept as files {name, digest, ...}, those that are some. */
export const filesOf = (all) => (Array.isArray(all) ? all : []).filter((file) => typeof file?.name === "string");

/** Keep a text, for as long as the page lasts at least; "" takes it away. */
export const keep = (name, text) =>
  attempt(() => (text ? localStorage.setItem(name, text) : localStorage.removeItem(name)));

/** What `work` gives; null where it fails. */
export function attempt(work) {
  try {
    return work();
  } catch {
    return null;
  }
}
