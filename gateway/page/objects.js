// The objects: a map of rows, and a list that renders only those in view.
import { $, age, make, parts, put, tone } from "./dom.js";

const ROW = 34;              // pixels, --row in style.css
const EXTRA = 8;             // rows rendered beyond the view
const FLASH_MS = 1400;
// Sorted by kind, what runs comes first, what it is made of last.
const KINDS = [
  "deployment", "statefulset", "daemonset", "job", "cronjob", "pod", "hpa", "service", "ingress",
  "pvc", "replicaset", "networkpolicy", "configmap", "secret",
];

const objects = new Map();   // stream key -> row
const elements = new Map();  // stream key -> the element of a row in view
let view = [];               // rows that pass the filter, in order
let sort = { key: "kind", down: false };
let health = "";
let words = [];

// --- model -------------------------------------------------------------------

function putRow(key, row, stamp, live) {
  const old = objects.get(key);
  row.key = key;
  row.generation = stamp;
  row.flashAt = live ? performance.now() : 0;
  row.text = [row.kind, row.namespace, row.name, row.cluster, row.state, row.health, row.message]
    .join(" ").toLowerCase();
  if (old && !live && !row.at) row.at = old.at;
  objects.set(key, row);
}

export function take(event, stamp, live) {
  const key = event.stream_key;
  if (event.event_type === "resource.deleted") {
    objects.delete(key);
    return;
  }
  // <cluster>/<kind>/<namespace>/<name>; a cluster-wide object has no namespace.
  const { name } = parts(key);
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
  }, stamp, live);
}

// What the whole set of that generation did not name is gone.
export function whole(generation) {
  for (const [key, row] of objects) if (row.generation !== generation) objects.delete(key);
}

export const count = () => objects.size;

// How many there are by "<cluster>/<kind>".
export function counts() {
  const found = new Map();
  for (const row of objects.values()) {
    const key = `${row.cluster}/${row.kind}`;
    found.set(key, (found.get(key) || 0) + 1);
  }
  return found;
}

// --- the list ------------------------------------------------------------------

export const byKind = (a, b) => (KINDS.indexOf(a) + 1 || 99) - (KINDS.indexOf(b) + 1 || 99) || (a < b ? -1 : 1);

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
  const el = make("span", className);
  el.setAttribute("role", "cell");
  return el;
}

function newRow(key) {
  const el = make("div", "row");
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
  return make("p", "empty", objects.size ? "No object matches the filter." :
    "No object yet: waiting for the first list of a cluster.");
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

export function draw() {
  choose();
  drawRows();
  drawChips();
}

// --- controls ---------------------------------------------------------------------

function setUpFilter(redraw) {
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
}

// `redraw`: draws the page soon, with what was chosen.
export function setUp(redraw) {
  setUpFilter(redraw);
  for (const el of document.querySelectorAll("[data-sort]")) {
    el.addEventListener("click", () => {
      sort = { key: el.dataset.sort, down: sort.key === el.dataset.sort && !sort.down };
      for (const other of document.querySelectorAll("[data-sort]")) other.removeAttribute("aria-sort");
      el.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      redraw();
    });
  }
  $("objects").addEventListener("scroll", () => requestAnimationFrame(drawRows), { passive: true });
}
