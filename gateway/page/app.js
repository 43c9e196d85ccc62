// The dashboard: one EventSource, a map of objects, and a list that renders
// only the rows in view. Data reaches the page by textContent alone.
"use strict";

const ROW = 34;              // pixels, --row in style.css
const EXTRA = 8;             // rows rendered beyond the view
const FLASH_MS = 1400;
const RETRY_MS = 3000;
const REFUSED_MS = 60000;    // who is not let in need not ask often
const TOKEN = "sluice.token"; // its name in this tab's storage
const SELECTORS = ["cluster:*", "watcher:*", "resource:*", "workflow:*", "pack-run:*"];
const EVENTS = [
  "status_update", "resource.deleted", "node_update", "workflow_sync",
  "cluster.health", "cluster.status_changed", "cluster.metadata_updated",
  "watcher.state_changed", "pack_run.state_changed", "pack_run.step",
  "pack_run.progress",
];
// Sorted by kind, what runs comes first, what it is made of last.
const KINDS = [
  "deployment", "statefulset", "daemonset", "job", "cronjob", "pod", "hpa", "service", "ingress",
  "pvc", "replicaset", "networkpolicy", "configmap", "secret",
];
const TONES = {
  healthy: "good", connected: "good", completed: "good", watching: "good", succeeded: "good",
  progressing: "busy", starting: "busy", syncing: "busy", backoff: "busy",
  pending: "busy", running: "busy", terminating: "busy", waiting: "busy", queued: "busy",
  degraded: "bad", failed: "bad", error: "bad", disconnected: "bad", forbidden: "bad", timed_out: "bad",
};

const $ = (id) => document.getElementById(id);
const objects = new Map();   // stream key -> row
const clusters = new Map();  // id -> facts
let view = [];               // rows that pass the filter, in order
let sort = { key: "kind", down: false };
let health = "";
let words = [];
let generation = 0;          // of the snapshot
let blind = false;           // the store is away: its snapshot follows what is live
let changes = 0;
let recent = [];             // times of the last changes
let messageAt = 0;           // of the last message, heartbeats included
let source = null;
let refused = 0;             // the timer of the next try; 0: it was not refused
let attempt = 0;             // to connect; what an earlier one waited for is void
let token = "";              // "": there is none, or a cookie has it
let dirty = false;
let drawnCards = "";
const elements = new Map();  // stream key -> the element of a row in view

// What came while the store was away is not in the set that follows.
const stamp = () => generation + (blind ? 1 : 0);

const tone = (word) => TONES[word] || "idle";

// --- model -------------------------------------------------------------------

function parts(key) {
  const colon = key.indexOf(":");
  return { type: key.slice(0, colon), name: key.slice(colon + 1) };
}

function putRow(key, row, live) {
  const old = objects.get(key);
  row.key = key;
  row.generation = stamp();
  row.flashAt = live ? performance.now() : 0;
  row.text = [row.kind, row.namespace, row.name, row.cluster, row.state, row.health, row.message]
    .join(" ").toLowerCase();
  if (old && !live && !row.at) row.at = old.at;
  objects.set(key, row);
}

function takeResource(key, name, event, live) {
  // <cluster>/<kind>/<namespace>/<name>; a cluster-wide object has no namespace.
  const path = name.split("/");
  const status = event.data.status || {};
  putRow(key, {
    cluster: path[0],
    kind: event.data.type || path[1] || "",
    namespace: path.length > 3 ? path[2] : "",
    name: path.slice(path.length > 3 ? 3 : 2).join("/") || name,
    state: String(status.state || ""),
    health: String(status.health || "unknown"),
    message: String(status.message || status.reason || ""),
    at: Date.parse(event.timestamp) || 0,
  }, live);
}

function takeRun(key, name, event, live) {
  const old = objects.get(key);
  const data = event.data;
  const progress = data.percent !== undefined ? `${data.percent} %` : "";
  putRow(key, {
    cluster: "", kind: "pack-run", namespace: "", name,
    state: String((event.event_type === "pack_run.state_changed" && data.state) || (old && old.state) || ""),
    health: String((event.event_type === "pack_run.state_changed" && data.state) || (old && old.health) || "running"),
    message: String(data.message || (data.step_id ? `${data.step_id}: ${data.state}` : progress)),
    at: Date.parse(event.timestamp) || 0,
  }, live);
}

function clusterOf(id) {
  if (!clusters.has(id)) clusters.set(id, { id, kinds: new Map() });
  const c = clusters.get(id);
  c.generation = stamp();
  return c;
}

function takeCluster(event) {
  const data = event.data;
  const c = clusterOf(String(data.cluster_id || parts(event.stream_key).name));
  if (data.status !== undefined) c.status = String(data.status);
  if (data.name !== undefined) c.name = String(data.name);
  if (data.latency_ms !== undefined) c.latency = Number(data.latency_ms);
  if (data.version) c.version = String(data.version);
  if (data.node_count !== undefined) c.nodes = Number(data.node_count);
  if (data.status !== undefined) c.error = data.error && data.error.message ? String(data.error.message) : "";
}

function takeWatcher(event) {
  const data = event.data;
  const c = clusterOf(String(data.cluster_id || parts(event.stream_key).name));
  c.kinds.set(String(data.kind), { state: String(data.state), reason: String(data.reason || "") });
}

function take(event, live) {
  const { type, name } = parts(event.stream_key);
  if (!event.data) return;
  messageAt = performance.now();
  if (event.event_type === "resource.deleted") objects.delete(event.stream_key);
  else if (type === "resource") takeResource(event.stream_key, name, event, live);
  else if (type === "pack-run") takeRun(event.stream_key, name, event, live);
  else if (type === "cluster") takeCluster(event);
  else if (type === "watcher") takeWatcher(event);
  if (live) {
    changes++;
    recent.push(performance.now());
  }
  redraw();
}

function begin() {
  generation++;
  blind = false;
}

// A whole set stands for everything: what it does not name is gone.
function endOfSnapshot() {
  for (const [key, row] of objects) if (row.generation !== generation) objects.delete(key);
  for (const [id, c] of clusters) if (c.generation !== generation) clusters.delete(id);
}

// --- the list ------------------------------------------------------------------

const byKind = (a, b) => (KINDS.indexOf(a) + 1 || 99) - (KINDS.indexOf(b) + 1 || 99) || (a < b ? -1 : 1);

function compare(a, b) {
  if (sort.key === "kind" && a.kind !== b.kind) return byKind(a.kind, b.kind) * (sort.down ? -1 : 1);
  const x = a[sort.key], y = b[sort.key];
  const order = typeof x === "number" ? x - y : x < y ? -1 : x > y ? 1 : 0;
  return (sort.down ? -order : order) || (a.key < b.key ? -1 : 1);
}

function choose() {
  view = [];
  for (const row of objects.values()) {
    if (health && tone(row.health) !== health) continue;
    if (words.every((w) => row.text.includes(w))) view.push(row);
  }
  view.sort(compare);
}

function cell(className) {
  const el = document.createElement("span");
  el.setAttribute("role", "cell");
  el.className = className;
  return el;
}

// What stands there already is left alone: a selection in it stays.
function put(el, text, title) {
  if (el.textContent !== text) el.textContent = text;
  if (title !== undefined && el.title !== title) el.title = title;
}

function age(at) {
  if (!at) return "earlier";
  const s = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}

function newRow(key) {
  const el = document.createElement("div");
  el.className = "row";
  el.setAttribute("role", "row");
  el.dataset.key = key;
  el.flashAt = 0;
  el.cells = {};
  for (const name of ["kind", "namespace", "name", "state", "health", "message", "changed"]) {
    el.cells[name] = cell(name === "health" ? "tone" : name);
    el.append(el.cells[name]);
  }
  const name = el.cells.name;
  name.append(document.createElement("span"), document.createElement("small"));
  elements.set(key, el);
  return el;
}

function fillRow(el, row, index) {
  const c = el.cells;
  el.setAttribute("aria-rowindex", String(index + 2));
  el.style.top = `${index * ROW}px`;
  put(c.kind, row.kind);
  put(c.namespace, row.namespace || "–");
  put(c.name.firstChild, row.name, row.key);
  put(c.name.lastChild, row.cluster);
  put(c.state, row.state || "–");
  put(c.health, row.health || "–");
  c.health.dataset.tone = tone(row.health);
  put(c.message, row.message, row.message);
  put(c.changed, age(row.at));
}

// Rows that changed since they were last drawn light up, all with one reflow.
function flash(rows, now) {
  const fresh = rows.filter(([el, row]) => row.flashAt > el.flashAt && now - row.flashAt < FLASH_MS);
  for (const [el, row] of rows)
    if (row.flashAt !== el.flashAt || now - row.flashAt >= FLASH_MS) el.classList.remove("flash");
  if (fresh.length) void $("rows").offsetWidth;
  for (const [el, row] of fresh) {
    el.flashAt = row.flashAt;
    el.style.animationDelay = `${row.flashAt - now}ms`;
    el.classList.add("flash");
  }
}

// The elements of the rows in view, in order: kept where they are, as long as
// they are in view.
function place(wanted) {
  const box = $("rows"), keep = new Set(wanted);
  for (const el of [...box.children]) {
    if (keep.has(el)) continue;
    el.remove();
    elements.delete(el.dataset.key);
  }
  let next = box.firstElementChild;
  for (const el of wanted) {
    if (el === next) next = next.nextElementSibling;
    else box.insertBefore(el, next);
  }
}

function emptyNote() {
  const el = document.createElement("p");
  el.className = "empty";
  el.textContent = objects.size ? "No object matches the filter." : "No object yet: waiting for the first list of a cluster.";
  return el;
}

function drawRows() {
  const box = $("objects");
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - EXTRA);
  const last = Math.min(view.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + EXTRA);
  const drawn = [];
  for (let i = first; i < last; i++) {
    const el = elements.get(view[i].key) || newRow(view[i].key);
    fillRow(el, view[i], i);
    drawn.push([el, view[i]]);
  }
  $("rows").style.height = view.length ? `${view.length * ROW}px` : "";
  place(view.length ? drawn.map(([el]) => el) : [emptyNote()]);
  flash(drawn, performance.now());
  box.setAttribute("aria-rowcount", String(view.length + 1));
  put($("shown"), view.length === objects.size ? `${objects.size} objects` : `${view.length} of ${objects.size} objects`);
}

function kindsLine(c, counts) {
  return [...c.kinds].sort((a, b) => byKind(a[0], b[0])).map(([kind, watch]) => {
    const trouble = watch.state === "watching" ? "" : ` (${watch.state}${watch.reason ? `: ${watch.reason}` : ""})`;
    return `${kind} ${counts.get(`${c.id}/${kind}`) || 0}${trouble}`;
  }).join(" · ");
}

function line(text, className, t) {
  const el = document.createElement("p");
  el.className = className;
  el.textContent = text;
  if (t) el.dataset.tone = t;
  return el;
}

function card(c, kinds) {
  const el = document.createElement("article");
  const title = document.createElement("strong");
  const facts = [c.status || "unknown"];
  el.className = "card";
  el.dataset.tone = tone(c.status || "unknown");
  el.dataset.cluster = c.id;
  title.textContent = c.name || c.id;
  if (c.latency >= 0) facts.push(`${Math.round(c.latency)} ms`);
  if (c.version) facts.push(c.version);
  if (c.nodes >= 0) facts.push(`${c.nodes} nodes`);
  el.append(title, line(facts.join(" · "), ""));
  if (kinds) el.append(line(kinds, "muted"));
  if (c.error) el.append(line(c.error, "tone", "bad"));
  return el;
}

// Made anew only when they say something else.
function drawClusters() {
  const counts = new Map();
  for (const row of objects.values()) {
    const key = `${row.cluster}/${row.kind}`;
    counts.set(key, (counts.get(key) || 0) + 1);
  }
  const all = [...clusters.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const lines = all.map((c) => kindsLine(c, counts));
  const now = JSON.stringify([all, lines]);
  $("objects").classList.toggle("one-cluster", all.length < 2);
  if (now === drawnCards || !all.length) return;
  drawnCards = now;
  $("clusters").replaceChildren(...all.map((c, i) => card(c, lines[i])));
}

function drawChips() {
  const count = { good: 0, busy: 0, bad: 0, idle: 0 };
  for (const row of objects.values()) count[tone(row.health)]++;
  for (const el of $("health-filter").children) {
    const t = el.dataset.tone;
    put(el, `${el.dataset.label} ${t ? count[t] : objects.size}`);
    el.setAttribute("aria-pressed", String(health === t));
  }
  document.title = count.bad ? `(${count.bad}) Sluice` : "Sluice";
}

function drawFacts() {
  const now = performance.now();
  recent = recent.filter((t) => now - t < 5000);
  put($("fact-objects"), String(objects.size));
  put($("fact-changes"), String(changes));
  put($("fact-rate"), (recent.length / 5).toFixed(1));
  put($("fact-message"), messageAt ? `${Math.round((now - messageAt) / 1000)} s ago` : "none yet");
}

function draw() {
  dirty = false;
  choose();
  drawRows();
  drawClusters();
  drawChips();
  drawFacts();
}

// At most one drawing per frame, however many events came.
function redraw() {
  if (dirty) return;
  dirty = true;
  if (document.hidden) setTimeout(draw, 1000);
  else requestAnimationFrame(draw);
}

// --- the token ---------------------------------------------------------------------
//
// Kept for this tab alone, sent in a header alone. What stands in a URL, which an
// EventSource cannot do without, is a ticket: it reads only, and after half a
// minute it opens a stream for nobody but who knows an id of this journal.

// False: this browser keeps nothing, the token is gone with the page.
function keepToken(value) {
  try {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
    return true;
  } catch {
    return false;
  }
}

function keptToken() {
  try {
    return sessionStorage.getItem(TOKEN) || "";
  } catch {
    return "";
  }
}

function askForToken() {
  $("forget").hidden = true;
  if (!$("login").hidden) return;
  $("login").hidden = false;
  $("token").focus();
}

function takeToken(text) {
  const value = text.trim().replace(/^Bearer\s+/i, "");
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) {
    say("lost", "that is no token: it has three parts of letters, digits, - and _, with dots between");
    return;
  }
  token = value;
  // All that stands here may be another's.
  if (keepToken(value)) location.reload();
  else connect();
}

// The selectors of this page that the token grants; it is read, not judged.
function selectors() {
  let granted;
  try {
    const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    granted = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(claims), (c) => c.charCodeAt(0)))).sluice.subscribe;
    if (granted.includes("*")) return SELECTORS;
    granted = granted.filter((p) => SELECTORS.includes(`${parts(p).type}:*`));
  } catch {
    return SELECTORS;
  }
  return granted.length ? granted : SELECTORS;
}

// "": none is needed; null: there is none now, and what follows is arranged.
async function newTicket() {
  let answer, body;
  try {
    answer = await fetch("/api/v1/tickets", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    body = await answer.json();
  } catch {
    answer = { status: 0 };
  }
  if (answer.status === 201) return String(body.ticket);
  if (answer.status === 404) return "";
  if (answer.status === 401) {
    token = "";
    keepToken("");
    notLetIn(`the token is not taken: ${body.error}`);
  } else if (answer.status === 403 || answer.status === 413) {
    notLetIn(`not let in: ${body.error}`);
  } else {
    say("lost", "no ticket for the stream, retrying");
    setTimeout(connect, RETRY_MS);
  }
  return null;
}

// --- the stream ------------------------------------------------------------------

function say(state, text) {
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

function onSnapshot(message) {
  const event = JSON.parse(message.data);
  if (event.i === 1) {
    if (blind) say("live", "live");
    begin();
  }
  take(event, false);
  if (event.i === event.n) endOfSnapshot();
}

// Where an EventSource finds its stream: what the token grants of what is shown.
function streamUrl(ticket) {
  const query = new URLSearchParams();
  for (const s of selectors()) query.append("stream", s);
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
  else if (why && !token) notLetIn(`this installation wants a token (${why.error})`);
  // Its ticket is over, or of a key that is no more: the token gives another.
  else if (why && opened) connect();
  else setTimeout(connect, RETRY_MS);
}

async function connect() {
  const mine = ++attempt;
  clearTimeout(refused);
  refused = 0;
  if (source) source.close();
  const ticket = token ? await newTicket() : "";
  if (mine === attempt && ticket !== null) follow(streamUrl(ticket));
}

function follow(url) {
  const own = new EventSource(url);
  let opened = false;
  source = own;
  source.addEventListener("stream.open", () => {
    opened = true;
    if (blind) begin();
    say("live", "live");
    $("login").hidden = true;
    $("forget").hidden = !token;
  });
  source.addEventListener("snapshot", onSnapshot);
  source.addEventListener("heartbeat", () => {
    messageAt = performance.now();
    if (!blind) say("live", "live");
  });
  source.addEventListener("stream.gap", (m) => say("live", `live, after a gap (${JSON.parse(m.data).reason})`));
  source.addEventListener("stream.error", () => {
    blind = true;
    say("live", "live; the store is away");
  });
  source.addEventListener("stream.closing", (m) => {
    say("connecting", `reconnecting (${JSON.parse(m.data).reason})`);
  });
  for (const name of EVENTS) {
    source.addEventListener(name, (m) => {
      take(JSON.parse(m.data), true);
    });
  }
  source.onerror = () => {
    say("lost", "connection lost, retrying");
    // The browser retries by itself, with its last id, unless an answer made
    // it give up: then a new one starts from a snapshot.
    if (own.readyState === EventSource.CLOSED) giveUp(url, opened);
  };
}

// --- controls ---------------------------------------------------------------------

function setUp() {
  for (const [label, t] of [["all", ""], ["healthy", "good"], ["in progress", "busy"], ["failing", "bad"]]) {
    const el = document.createElement("button");
    el.type = "button";
    el.dataset.tone = t;
    el.dataset.label = label;
    el.addEventListener("click", () => {
      health = t;
      redraw();
    });
    $("health-filter").append(el);
  }
  $("filter").addEventListener("input", (e) => {
    words = e.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    $("objects").scrollTop = 0;
    redraw();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && document.activeElement?.tagName !== "INPUT") {
      e.preventDefault();
      $("filter").focus();
    } else if (e.key === "Escape" && document.activeElement === $("filter")) {
      $("filter").value = "";
      $("filter").dispatchEvent(new Event("input"));
    }
  });
  for (const el of document.querySelectorAll("[data-sort]")) {
    el.addEventListener("click", () => {
      sort = { key: el.dataset.sort, down: sort.key === el.dataset.sort && !sort.down };
      for (const other of document.querySelectorAll("[data-sort]")) other.removeAttribute("aria-sort");
      el.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      redraw();
    });
  }
  $("objects").addEventListener("scroll", () => requestAnimationFrame(drawRows), { passive: true });
  window.addEventListener("resize", redraw);
  $("login").addEventListener("submit", (e) => {
    e.preventDefault();
    const value = $("token").value;
    $("token").value = "";
    takeToken(value);
  });
  $("forget").addEventListener("click", () => {
    keepToken("");
    location.reload();
  });
  // Perhaps back from where the cookie is set.
  window.addEventListener("focus", () => refused && connect());
  setInterval(redraw, 1000);
  token = keptToken();
  draw();
  connect();
}

setUp();
