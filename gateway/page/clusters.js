// The clusters: a card each, with its health and how each kind's watch stands.
import { $, make, parts, tone } from "./dom.js";
import { byKind } from "./objects.js";

const clusters = new Map();  // id -> facts
let drawn = "";

function clusterOf(event, stamp) {
  const id = String(event.data.cluster_id || parts(event.stream_key).name);
  if (!clusters.has(id)) clusters.set(id, { id, kinds: new Map() });
  const c = clusters.get(id);
  c.generation = stamp;
  return c;
}

export function take(event, stamp) {
  const data = event.data;
  const c = clusterOf(event, stamp);
  if (data.status !== undefined) c.status = String(data.status);
  if (data.name !== undefined) c.name = String(data.name);
  if (data.latency_ms !== undefined) c.latency = Number(data.latency_ms);
  if (data.version) c.version = String(data.version);
  if (data.node_count !== undefined) c.nodes = Number(data.node_count);
  if (data.status !== undefined) c.error = data.error && data.error.message ? String(data.error.message) : "";
}

export function takeWatcher(event, stamp) {
  const data = event.data;
  clusterOf(event, stamp).kinds.set(String(data.kind), { state: String(data.state), reason: String(data.reason || "") });
}

// What the whole set of that generation did not name is gone.
export function whole(generation) {
  for (const [id, c] of clusters) if (c.generation !== generation) clusters.delete(id);
}

function kindsLine(c, counts) {
  return [...c.kinds].sort((a, b) => byKind(a[0], b[0])).map(([kind, watch]) => {
    const trouble = watch.state === "watching" ? "" : ` (${watch.state}${watch.reason ? `: ${watch.reason}` : ""})`;
    return `${kind} ${counts.get(`${c.id}/${kind}`) || 0}${trouble}`;
  }).join(" · ");
}

function card(c, kinds) {
  const el = make("article", "card");
  const facts = [c.status || "unknown"];
  el.dataset.tone = tone(c.status || "unknown");
  el.dataset.cluster = c.id;
  if (c.latency >= 0) facts.push(`${Math.round(c.latency)} ms`);
  if (c.version) facts.push(c.version);
  if (c.nodes >= 0) facts.push(`${c.nodes} nodes`);
  el.append(make("strong", "", c.name || c.id), make("p", "", facts.join(" · ")));
  if (kinds) el.append(make("p", "muted", kinds));
  if (c.error) {
    el.append(make("p", "tone", c.error));
    el.lastChild.dataset.tone = "bad";
  }
  return el;
}

// Made anew only when they say something else. `counts`: objects by
// "<cluster>/<kind>".
export function draw(counts) {
  const all = [...clusters.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const lines = all.map((c) => kindsLine(c, counts));
  const now = JSON.stringify([all, lines]);
  $("objects").classList.toggle("one-cluster", all.length < 2);
  if (now === drawn || !all.length) return;
  drawn = now;
  $("clusters").replaceChildren(...all.map((c, i) => card(c, lines[i])));
}
