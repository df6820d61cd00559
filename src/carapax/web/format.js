// Times, lengths of time and JSON, as people read them.

import { language, t } from "./strings.js";

const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "narrow" });
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });

export const formatClock = (at) => clock.format(at * 1000);
export const formatMoment = (at) => moment.format(at * 1000);
export const formatExact = (at) => exact.format(at * 1000);
const usd = new Intl.NumberFormat(language, { style: "currency", currency: "USD" });
const cents = new Intl.NumberFormat(language, { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
const calendarDay = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });

/** US dollars to the cent; less than a cent with two digits that say something. */
export const formatUsd = (value) => (value === 0 || value >= 0.01 ? usd : cents).format(value);

/** A day that is written as 2026-11-21. */
export const formatDay = (text) => calendarDay.format(Date.parse(text));

export const formatNumber = new Intl.NumberFormat(language).format;

/** "now", "5 min. ago", "2 hr. ago", then the day. */
export function formatAgo(at, now = Date.now() / 1000) {
  const seconds = Math.max(0, now - at);
  if (seconds < 60) return relative.format(0, "second");
  if (seconds < 3600) return relative.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return relative.format(-Math.floor(seconds / 3600), "hour");
  return day.format(at * 1000);
}

/** Which heading of the session list a time belongs under. Days have 23 or 25 hours when the clocks are changed. */
export function dayGroup(at, now = new Date()) {
  const began = (ago) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - ago).getTime() / 1000;
  const [name] = [["today", 0], ["yesterday", 1], ["week", 7]].find(([, ago]) => at >= began(ago)) ?? ["older"];
  return t(name);
}

export function formatElapsed(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** How much time is left, as "4:05". */
export const formatLeft = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

const UNSEEN = /(?![ \n])[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Text in which nothing is invisible: what would not be seen, or turns the writing around, is spelled out. */
export const legible = (text) => text.replace(UNSEEN, (each) => `\\u{${each.codePointAt(0).toString(16)}}`);

export function formatBytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1_000_000 ? `${Math.round(count / 1000)} KB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

/** JSON text laid out; text that is no JSON stays as it is. */
export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What a tool call is about, in a line: its first argument that is a text, as far as it is written. */
export function callSummary(text) {
  try {
    const values = Object.values(JSON.parse(text));
    return oneLine(String(values.find((value) => typeof value === "string") ?? values[0] ?? ""));
  } catch {
    return oneLine(text);
  }
}

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const oneLine = (text, limit = 160) => text.slice(0, limit).replace(/\s+/g, " ").trim();
