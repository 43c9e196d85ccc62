// The dashboard: one EventSource, a map of objects, and a list that renders
// only the rows in view. Data reaches the page by textContent alone.
"use strict";

const ROW = 34;              // pixels, --row in style.css
const EXTRA = 8;             // rows rendered beyond the view
const FLASH_MS = 1400;
const SELECTORS = ["cluster:*", "watcher:*", "resource:*", "workflow:*", "pack-run:*"];
const EVENTS = [
  "status_update", "resource.deleted", "node_update", "workflow_sync",
  "cluster.health", "cluster.status_changed", "cluster.metadata_updated",
  "watcher.state_changed", "pack_run.state_changed", "pack_run.step",
  "pack_run.progress",
];
const TONES = {
  healthy: "good", connected: "good", completed: "good", watching: "good", succeeded: "good",
  progressing: "busy", degraded: "busy", starting: "busy", syncing: "busy", backoff: "busy",
  pending: "busy", running: "busy", terminating: "busy", waiting: "busy", queued: "busy",
  failed: "bad", error: "bad", disconnected: "bad", forbidden: "bad", timed_out: "bad",
};

const $ = (id) => document.getElementById(id);
const objects = new Map();   // stream key -> row
const clusters = new Map();  // id -> facts
let view = [];               // rows that pass the filter, in order
let sort = { key: "kind", down: false };
let health = "";
let words = [];
let generation = 0;          // of the snapshot
let changes = 0;
let recent = [];             // times of the last changes
let heartbeatAt = 0;
let source = null;
let dirty = false;

const tone = (word) => TONES[word] || "idle";

// --- model -------------------------------------------------------------------

function parts(key) {
  const colon = key.indexOf(":");
  return { type: key.slice(0, colon), name: key.slice(colon + 1) };
}

function putRow(key, row, live) {
  const old = objects.get(key);
  row.key = key;
  row.generation = generation;
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
  c.generation = generation;
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
  c.kinds.set(String(data.kind), { state: String(data.state), objects: Number(data.objects || 0) });
}

function take(event, live) {
  const { type, name } = parts(event.stream_key);
  if (!event.data) return;
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

// A whole set stands for everything: what it does not name is gone.
function endOfSnapshot() {
  for (const [key, row] of objects) if (row.generation !== generation) objects.delete(key);
  for (const [id, c] of clusters) if (c.generation !== generation) clusters.delete(id);
}

// --- the list ------------------------------------------------------------------

function compare(a, b) {
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

function cell(text, className, title) {
  const el = document.createElement("span");
  el.setAttribute("role", "cell");
  if (className) el.className = className;
  if (title) el.title = title;
  el.textContent = text;
  return el;
}

function toneCell(word) {
  const el = cell(word || "–", "tone");
  el.dataset.tone = tone(word);
  return el;
}

function age(at) {
  if (!at) return "–";
  const s = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}

function rowElement(row, index) {
  const el = document.createElement("div");
  el.className = "row";
  el.setAttribute("role", "row");
  el.setAttribute("aria-rowindex", String(index + 2));
  el.dataset.key = row.key;
  el.style.top = `${index * ROW}px`;
  const name = cell(row.name, "name", row.key);
  if (row.cluster) {
    const small = document.createElement("small");
    small.textContent = `  ${row.cluster}`;
    name.append(small);
  }
  const changed = document.createElement("time");
  changed.setAttribute("role", "cell");
  changed.textContent = age(row.at);
  el.append(cell(row.kind), cell(row.namespace || "–"), name, cell(row.state || "–"),
    toneCell(row.health), cell(row.message, "", row.message), changed);
  const since = performance.now() - row.flashAt;
  if (row.flashAt && since < FLASH_MS) {
    el.classList.add("flash");
    el.style.animationDelay = `${-since}ms`;
  }
  return el;
}

function drawRows() {
  const box = $("objects"), rows = $("rows");
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - EXTRA);
  const last = Math.min(view.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + EXTRA);
  rows.style.height = `${view.length * ROW}px`;
  const drawn = [];
  for (let i = first; i < last; i++) drawn.push(rowElement(view[i], i));
  if (view.length === 0) {
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = objects.size ? "No object matches the filter." : "No object yet: waiting for the first list of a cluster.";
    rows.style.height = "";
    drawn.push(empty);
  }
  rows.replaceChildren(...drawn);
  box.setAttribute("aria-rowcount", String(view.length + 1));
  $("shown").textContent = view.length === objects.size ? `${objects.size} objects` : `${view.length} of ${objects.size} objects`;
}

function drawClusters() {
  const cards = [...clusters.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map((c) => {
    const el = document.createElement("article");
    el.className = "card";
    el.dataset.tone = tone(c.status || "unknown");
    el.dataset.cluster = c.id;
    const title = document.createElement("strong");
    title.textContent = c.name || c.id;
    const facts = [c.status || "unknown"];
    if (c.latency >= 0) facts.push(`${Math.round(c.latency)} ms`);
    if (c.version) facts.push(c.version);
    if (c.nodes >= 0) facts.push(`${c.nodes} nodes`);
    const line = document.createElement("p");
    line.textContent = facts.join(" · ");
    el.append(title, line);
    if (c.kinds.size) {
      const kinds = document.createElement("p");
      kinds.className = "muted";
      kinds.textContent = [...c.kinds].sort().map(([k, v]) => `${k}: ${v.state}${v.state === "watching" ? ` (${v.objects})` : ""}`).join(", ");
      el.append(kinds);
    }
    if (c.error) {
      const error = document.createElement("p");
      error.className = "tone";
      error.dataset.tone = "bad";
      error.textContent = c.error;
      el.append(error);
    }
    return el;
  });
  if (cards.length) $("clusters").replaceChildren(...cards);
}

function drawChips() {
  const count = { good: 0, busy: 0, bad: 0, idle: 0 };
  for (const row of objects.values()) count[tone(row.health)]++;
  for (const el of $("health-filter").children) {
    const t = el.dataset.tone;
    el.textContent = `${el.dataset.label} ${t ? count[t] : objects.size}`;
    el.setAttribute("aria-pressed", String(health === t));
  }
}

function drawFacts() {
  const now = performance.now();
  recent = recent.filter((t) => now - t < 5000);
  $("fact-objects").textContent = String(objects.size);
  $("fact-changes").textContent = String(changes);
  $("fact-rate").textContent = (recent.length / 5).toFixed(1);
  $("fact-heartbeat").textContent = heartbeatAt ? `${Math.round((now - heartbeatAt) / 1000)} s ago` : "none yet";
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

// --- the stream ------------------------------------------------------------------

function say(state, text) {
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

function onSnapshot(message) {
  const event = JSON.parse(message.data);
  if (event.i === 1) generation++;
  take(event, false);
  if (event.i === event.n) endOfSnapshot();
}

function connect() {
  const query = new URLSearchParams();
  for (const s of SELECTORS) query.append("stream", s);
  source = new EventSource(`/api/v1/streams?${query.toString().replace(/%3A/g, ":").replace(/%2A/g, "*")}`);
  source.addEventListener("stream.open", () => say("live", "live"));
  source.addEventListener("snapshot", onSnapshot);
  source.addEventListener("heartbeat", (m) => {
    heartbeatAt = performance.now();
    say("live", "live");
  });
  source.addEventListener("stream.gap", (m) => say("live", `live, after a gap (${JSON.parse(m.data).reason})`));
  source.addEventListener("stream.error", () => say("live", "live; the store is away"));
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
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
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
    if (e.key === "/" && document.activeElement !== $("filter")) {
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
  setInterval(redraw, 1000);
  draw();
  connect();
}

setUp();
