// The dashboard: what comes by the stream goes to the part of the page that
// shows it, and all of them are drawn together.
import * as clusters from "./clusters.js";
import { $, parts, put } from "./dom.js";
import * as objects from "./objects.js";
import * as runs from "./runs.js";
import * as stream from "./stream.js";

let changes = 0;
let recent = [];             // times of the last changes
let messageAt = 0;           // of the last message, heartbeats included
let dirty = false;

function drawFacts() {
  const now = performance.now();
  recent = recent.filter((t) => now - t < 5000);
  put($("fact-objects"), String(objects.count()));
  put($("fact-changes"), String(changes));
  put($("fact-rate"), (recent.length / 5).toFixed(1));
  put($("fact-message"), messageAt ? `${Math.round((now - messageAt) / 1000)} s ago` : "none yet");
}

function draw() {
  dirty = false;
  runs.draw();
  objects.draw();
  clusters.draw(objects.counts());
  drawFacts();
}

// At most one drawing per frame, however many events came.
function redraw() {
  if (dirty) return;
  dirty = true;
  if (document.hidden) setTimeout(draw, 1000);
  else requestAnimationFrame(draw);
}

function heard() {
  messageAt = performance.now();
}

function take(event, live) {
  const { type } = parts(event.stream_key);
  if (!event.data) return;
  heard();
  if (type === "resource") objects.take(event, stream.stamp(), live);
  else if (type === "pack-run") runs.take(event, stream.stamp(), live);
  else if (type === "cluster") clusters.take(event, stream.stamp());
  else if (type === "watcher") clusters.takeWatcher(event, stream.stamp());
  if (live) {
    changes++;
    recent.push(performance.now());
  }
  redraw();
}

function whole(generation) {
  for (const part of [objects, clusters, runs]) part.whole(generation);
}

objects.setUp(redraw);
runs.setUp(redraw);
window.addEventListener("resize", redraw);
setInterval(redraw, 1000);
draw();
stream.start({ take, whole, heard });
