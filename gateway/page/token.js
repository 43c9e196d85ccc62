// The token: kept for this tab alone, sent in a header alone. What stands in a
// URL, which an EventSource cannot do without, is a ticket: it reads only, and
// after half a minute it opens a stream for nobody but who knows an id of this
// journal.

const TOKEN = "sluice.token"; // its name in this tab's storage

let token = "";              // "": there is none, or a cookie has it

export const has = () => token !== "";

// False: this browser keeps nothing, the token is gone with the page.
export function keep(value) {
  token = value;
  try {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
    return true;
  } catch {
    return false;
  }
}

// From before the page was loaded again.
export function recall() {
  try {
    token = sessionStorage.getItem(TOKEN) || "";
  } catch {
    token = "";
  }
}

// Three parts, or ""; what was copied with it is left out.
export function read(text) {
  const value = text.trim().replace(/^Bearer\s+/i, "");
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value) ? value : "";
}

// Those of these selectors ("<type>:*"), or parts of them, that the token
// grants; it is read, not judged.
export function granted(selectors) {
  let patterns;
  try {
    const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    patterns = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(claims), (c) => c.charCodeAt(0)))).sluice.subscribe;
    if (patterns.includes("*")) return selectors;
    patterns = patterns.filter((p) => selectors.includes(`${p.slice(0, p.indexOf(":"))}:*`));
  } catch {
    return selectors;
  }
  return patterns.length ? patterns : selectors;
}

// {ticket}: "" where none is needed. {refused}: the token is not taken, or not
// for this; it is forgotten where it is over. {}: not now.
export async function ticket() {
  let answer, body;
  try {
    answer = await fetch("/api/v1/tickets", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    body = await answer.json();
  } catch {
    return {};
  }
  if (answer.status === 201) return { ticket: String(body.ticket) };
  if (answer.status === 404) return { ticket: "" };
  if (answer.status === 401) {
    keep("");
    return { refused: `the token is not taken: ${body.error}` };
  }
  if (answer.status === 403 || answer.status === 413) return { refused: `not let in: ${body.error}` };
  return {};
}
