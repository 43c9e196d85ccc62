// The pack runs: a bar for how far one is, its steps, and its log as it grows.
// Those under way come first; of the one that is chosen, or else the first, the
// log is shown.
import { $, make, parts, put, tone } from "./dom.js";

const SHOWN = 3;             // runs on the page
const KEPT = 50;             // runs remembered
const LINES = 200;           // of a run's log
const ENDS = ["succeeded", "failed", "canceled", "timed_out"];

const runs = new Map();      // stream key -> run
const elements = new Map();  // stream key -> its element, while it is shown
let chosen = "";             // stream key; "": the first

// --- model -------------------------------------------------------------------

const ended = (run) => ENDS.includes(run.state);
const text = (value) => (value === undefined || value === null ? "" : String(value));

const collate = new Intl.Collator("en", { numeric: true });

// Under way first, then the newest, or who sounds so; behind them who has not
// said its state: of a run that was dropped the rest of its set still comes.
const order = (a, b) => !a.state - !b.state || ended(a) - ended(b) || b.at - a.at || collate.compare(b.key, a.key);

// What is begun anew: by the set of a later generation, which tells all that is
// kept; and live, where a stream that was forgotten has a first event again.
function runOf(event, stamp, live) {
  const key = event.stream_key, old = runs.get(key);
  if (!old || (live ? event.seq === 1 : old.generation !== stamp)) {
    const at = old && !live ? old.at : 0;
    runs.set(key, { key, name: parts(key).name, state: "", percent: 0, at, steps: new Map(), lines: [], seqs: new Map() });
  }
  const run = runs.get(key);
  run.generation = stamp;
  return run;
}

// A snapshot tells again what may be here already, and newer.
function news(run, slot, event) {
  if (event.seq <= (run.seqs.get(slot) || 0)) return false;
  run.seqs.set(slot, event.seq);
  return true;
}

function takeState(run, data) {
  run.state = text(data.state);
  run.title = text(data.pack_id) || run.title;
  run.message = text(data.message || data.reason);
  run.count = Number(data.step_count) || run.count;
  if (run.state === "succeeded") run.percent = 100;
}

function stepNote(data) {
  if (data.gate && data.gate.decision) return `${data.gate.decision}${data.gate.by ? ` by ${data.gate.by}` : ""}`;
  if (data.message) return text(data.message);
  return data.duration_ms >= 0 ? `${(data.duration_ms / 1000).toFixed(1)} s` : "";
}

function takeStep(run, data) {
  run.steps.set(text(data.step_id), {
    index: Number(data.step_index) || 0,
    name: text(data.step_name || data.step_id),
    state: text(data.state),
    gate: text(data.kind).startsWith("gate."),
    attempt: Number(data.attempt) || 1,
    note: stepNote(data),
  });
}

// In the order of the stream, each once.
function takeLine(run, event) {
  let at = run.lines.length;
  while (at > 0 && run.lines[at - 1].seq > event.seq) at--;
  if (at > 0 && run.lines[at - 1].seq === event.seq) return;
  run.lines.splice(at, 0, {
    seq: event.seq, step: text(event.data.step_id), text: text(event.data.line), stream: text(event.data.stream),
  });
  if (run.lines.length > LINES) run.lines.shift();
}

function forgetOldest() {
  if (runs.size <= KEPT) return;
  runs.delete([...runs.values()].sort(order).pop().key);
}

// A snapshot does not say when its events were: only what stands in them does.
const when = (event) => Date.parse(event.data.started_at) || Date.parse(event.timestamp) || Date.parse(event.data.finished_at) || 0;

export function take(event, stamp, live) {
  const run = runOf(event, stamp, live), data = event.data;
  run.at = run.at || when(event);
  if (event.event_type === "pack_run.log") takeLine(run, event);
  else if (!news(run, event.event_type + text(data.step_id), event)) return;
  else if (event.event_type === "pack_run.state_changed") takeState(run, data);
  else if (event.event_type === "pack_run.step") takeStep(run, data);
  else if (event.event_type === "pack_run.progress") run.percent = Number(data.percent) || 0;
  forgetOldest();
}

// What the whole set of that generation did not name is gone.
export function whole(generation) {
  for (const [key, run] of runs) if (run.generation !== generation) runs.delete(key);
}

// --- drawing -------------------------------------------------------------------

function newRun(key) {
  const el = make("article", "run");
  el.dataset.key = key;
  el.head = make("button", "run-head");
  el.head.type = "button";
  el.label = make("strong", "");
  el.run = make("small", "muted");
  el.state = make("span", "tone");
  el.percent = make("span", "percent");
  el.head.append(el.label, el.run, el.state, el.percent);
  el.bar = make("progress", "");
  el.bar.max = 100;
  el.steps = make("ol", "steps");
  el.log = make("div", "log");
  el.log.setAttribute("role", "log");
  el.log.tabIndex = 0;
  el.append(el.head, el.bar, el.steps, el.log);
  elements.set(key, el);
  return el;
}

function drawSteps(el, run) {
  const steps = [...run.steps.values()].sort((a, b) => a.index - b.index);
  while (el.steps.children.length > steps.length) el.steps.lastChild.remove();
  steps.forEach((step, i) => {
    if (!el.steps.children[i]) {
      const item = make("li", "step");
      item.append(make("span", "step-name"), make("small", ""));
      el.steps.append(item);
    }
    const item = el.steps.children[i];
    item.dataset.state = step.state;
    item.dataset.tone = tone(step.state);
    put(item.firstChild, step.name + (step.attempt > 1 ? ` (attempt ${step.attempt})` : ""));
    put(item.lastChild, step.note ? `${step.state} · ${step.note}` : step.state);
  });
}

// Only what is new is added; who reads further up is left there.
function drawLog(el, run) {
  const box = el.log, lines = run.lines;
  const below = box.scrollHeight - box.scrollTop - box.clientHeight < 4;
  const known = new Map([...box.children].map((p) => [p.seq, p]));
  let next = box.firstElementChild;
  for (const line of lines) {
    if (next && next.seq === line.seq) {
      next = next.nextElementSibling;
      continue;
    }
    const p = known.get(line.seq) || make("p", "");
    p.seq = line.seq;
    p.dataset.stream = line.stream;
    put(p, line.text, line.step);
    box.insertBefore(p, next);
  }
  while (next) {
    const after = next.nextElementSibling;
    next.remove();
    next = after;
  }
  if (below) box.scrollTop = box.scrollHeight;
}

function fillRun(el, run, open) {
  el.dataset.tone = tone(run.state);
  el.dataset.state = run.state;
  put(el.label, run.title || run.name);
  put(el.run, run.title ? run.name : "");
  put(el.state, run.message ? `${run.state} · ${run.message}` : run.state || "–");
  el.state.dataset.tone = tone(run.state);
  put(el.percent, `${Math.round(run.percent)} %`);
  el.bar.value = run.percent;
  el.bar.setAttribute("aria-label", `progress of ${run.name}`);
  el.head.setAttribute("aria-expanded", String(open));
  el.classList.toggle("open", open);
  drawSteps(el, run);
  el.log.hidden = !open || !run.lines.length;
  if (!el.log.hidden) drawLog(el, run);
}

export function draw() {
  const shown = [...runs.values()].filter((run) => run.state).sort(order).slice(0, SHOWN);
  const open = shown.some((run) => run.key === chosen) ? chosen : shown.length ? shown[0].key : "";
  const keep = new Set(shown.map((run) => run.key));
  $("runs-section").hidden = !shown.length;
  for (const [key, el] of elements) {
    if (keep.has(key)) continue;
    el.remove();
    elements.delete(key);
  }
  let next = $("runs").firstElementChild;
  for (const run of shown) {
    const el = elements.get(run.key) || newRun(run.key);
    if (el === next) next = next.nextElementSibling;
    else $("runs").insertBefore(el, next);
    fillRun(el, run, run.key === open);
  }
}

// `redraw`: draws the page soon, with what was chosen.
export function setUp(redraw) {
  $("runs").addEventListener("click", (e) => {
    const head = e.target.closest(".run-head");
    if (!head) return;
    chosen = head.parentElement.dataset.key;
    redraw();
  });
}
