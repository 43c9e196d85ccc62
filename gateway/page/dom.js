// What every part of the page draws with. Data reaches the page by textContent
// alone.

const TONES = {
  healthy: "good", connected: "good", completed: "good", watching: "good", succeeded: "good",
  progressing: "busy", starting: "busy", syncing: "busy", backoff: "busy",
  pending: "busy", running: "busy", terminating: "busy", waiting: "busy", queued: "busy",
  degraded: "bad", failed: "bad", error: "bad", disconnected: "bad", forbidden: "bad", timed_out: "bad",
};

export const $ = (id) => document.getElementById(id);

// good, busy, bad or idle: the colour of a word.
export const tone = (word) => TONES[word] || "idle";

export function parts(key) {
  const colon = key.indexOf(":");
  return { type: key.slice(0, colon), name: key.slice(colon + 1) };
}

// What stands there already is left alone: a selection in it stays.
export function put(el, text, title) {
  if (el.textContent !== text) el.textContent = text;
  if (title !== undefined && el.title !== title) el.title = title;
}

export function make(tag, className, text) {
  const el = document.createElement(tag);
  el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}

export function age(at) {
  if (!at) return "earlier";
  const s = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}
