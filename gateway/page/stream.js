// The one EventSource: it opens, comes back by itself, asks for a token where
// one is wanted, and hands every event on.
import { $ } from "./dom.js";
import * as token from "./token.js";

const RETRY_MS = 3000;
const REFUSED_MS = 60000;    // who is not let in need not ask often
const SELECTORS = ["cluster:*", "watcher:*", "resource:*", "workflow:*", "pack-run:*"];
const EVENTS = [
  "status_update", "resource.deleted", "node_update", "workflow_sync",
  "cluster.health", "cluster.status_changed", "cluster.metadata_updated",
  "watcher.state_changed", "pack_run.state_changed", "pack_run.step",
  "pack_run.progress", "pack_run.log",
];

let source = null;
let refused = 0;             // the timer of the next try; 0: it was not refused
let attempt = 0;             // to connect; what an earlier one waited for is void
let blind = false;           // the store is away: its snapshot follows what is live
let generation = 0;          // of the snapshot
let before = "";             // the browser's last id when a set was to come; null: none is
let sink = null;             // { take(event, live), whole(generation), heard() }

// Of the snapshot that an event which comes now stands beside: what came while
// the store was away is not in the set that follows.
export const stamp = () => generation + (blind ? 1 : 0);

function say(state, text) {
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

// --- the token ---------------------------------------------------------------------

function askForToken() {
  $("forget").hidden = true;
  if (!$("login").hidden) return;
  $("login").hidden = false;
  $("token").focus();
}

function takeToken(text) {
  const value = token.read(text);
  if (!value) {
    say("lost", "that is no token: it has three parts of letters, digits, - and _, with dots between");
    return;
  }
  // All that stands here may be another's.
  if (token.keep(value)) location.reload();
  else connect();
}

// Null: there is none now, and what follows is arranged.
async function newTicket() {
  const answer = await token.ticket();
  if (answer.ticket !== undefined) return answer.ticket;
  if (answer.refused) {
    notLetIn(answer.refused);
  } else {
    say("lost", "no ticket for the stream, retrying");
    setTimeout(connect, RETRY_MS);
  }
  return null;
}

// --- the connection ----------------------------------------------------------------

function begin() {
  generation++;
  blind = false;
}

// A whole set stands for everything: what it does not name is gone.
function onSnapshot(message) {
  const event = JSON.parse(message.data);
  if (event.i === 1) {
    if (blind) say("live", "live");
    begin();
  }
  sink.take(event, false);
  if (event.i !== event.n) return;
  before = null;
  sink.whole(generation);
}

// An empty set has no frame: the first id of all is a heartbeat's.
function onHeartbeat(message) {
  sink.heard();
  if (before !== null && message.lastEventId !== before) {
    before = null;
    begin();
    sink.whole(generation);
  }
  if (!blind) say("live", "live");
}

function onGap(message) {
  before = message.lastEventId;
  say("live", `live, after a gap (${JSON.parse(message.data).reason})`);
}

function onError(message) {
  blind = true;
  if (!JSON.parse(message.data).retrying) before = null;
  say("live", "live; the store is away");
}

// Where an EventSource finds its stream: what the token grants of what is shown.
function streamUrl(ticket) {
  const query = new URLSearchParams();
  for (const s of token.granted(SELECTORS)) query.append("stream", s);
  if (ticket) query.append("ticket", ticket);
  return `/api/v1/streams?${query.toString().replace(/%3A/g, ":").replace(/%2A/g, "*").replace(/%2F/g, "/")}`;
}

// An EventSource does not tell the answer that made it give up: asked again.
async function refusal(url) {
  const stop = new AbortController();
  try {
    const answer = await fetch(url, { signal: stop.signal, headers: { Accept: "text/event-stream" } });
    if (answer.status !== 401 && answer.status !== 403) return null;
    return { status: answer.status, error: String((await answer.json()).error) };
  } catch {
    return null;
  } finally {
    stop.abort();
  }
}

function notLetIn(text) {
  say("lost", text);
  askForToken();
  clearTimeout(refused);
  refused = setTimeout(connect, REFUSED_MS);
}

async function giveUp(url, opened) {
  const mine = ++attempt;
  const why = await refusal(url);
  if (mine !== attempt) return;
  if (why && why.status === 403) notLetIn(`not let in: ${why.error}`);
  else if (why && !token.has()) notLetIn(`this installation wants a token (${why.error})`);
  // Its ticket is over, or of a key that is no more: the token gives another.
  else if (why && opened) connect();
  else setTimeout(connect, RETRY_MS);
}

async function connect() {
  const mine = ++attempt;
  clearTimeout(refused);
  refused = 0;
  if (source) source.close();
  const ticket = token.has() ? await newTicket() : "";
  if (mine === attempt && ticket !== null) follow(streamUrl(ticket));
}

function follow(url) {
  const own = new EventSource(url);
  let opened = false;
  source = own;
  before = "";
  source.addEventListener("stream.open", () => {
    opened = true;
    if (blind) begin();
    say("live", "live");
    $("login").hidden = true;
    $("forget").hidden = !token.has();
  });
  source.addEventListener("snapshot", onSnapshot);
  source.addEventListener("heartbeat", onHeartbeat);
  source.addEventListener("stream.gap", onGap);
  source.addEventListener("stream.error", onError);
  source.addEventListener("stream.closing", (m) => {
    say("connecting", `reconnecting (${JSON.parse(m.data).reason})`);
  });
  for (const name of EVENTS) source.addEventListener(name, (m) => sink.take(JSON.parse(m.data), true));
  source.onerror = () => {
    say("lost", "connection lost, retrying");
    // The browser retries by itself, with its last id, unless an answer made
    // it give up: then a new one starts from a snapshot.
    if (own.readyState === EventSource.CLOSED) giveUp(url, opened);
  };
}

// Opens the stream, and keeps it open; `to` gets what comes.
export function start(to) {
  sink = to;
  $("login").addEventListener("submit", (e) => {
    e.preventDefault();
    const value = $("token").value;
    $("token").value = "";
    takeToken(value);
  });
  $("forget").addEventListener("click", () => {
    token.keep("");
    location.reload();
  });
  // Perhaps back from where the cookie is set.
  window.addEventListener("focus", () => refused && connect());
  token.recall();
  connect();
}
